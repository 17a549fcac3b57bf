/** What is mounted in this process's namespace (proc_pid_mountinfo(5)). Reading it asks no file system. */
import { readFileSync } from 'node:fs'
import type { Fd } from './fd.ts'

export interface MountEntry {
  /** unique as long as it is mounted */
  readonly id: string
  readonly target: string
  /** e.g. `ext4`, `nfs4`, `fuse.sshfs` */
  readonly type: string
  readonly source: string
  /** `shared:N`, `master:N`, `propagate_from:N`, `unbindable` */
  readonly tags: readonly string[]
}

/** All mounts, in the order in which they were made where they stack. */
export function readMounts(path = '/proc/self/mountinfo'): MountEntry[] {
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map(parseMount)
}

/** `36 35 98:0 /root /target rw,noatime shared:1 - ext3 /dev/root rw`: optional fields end with the dash. */
function parseMount(line: string): MountEntry {
  const [place = '', origin = ''] = splitOnce(line, ' - ')
  const [id = '', , , , target = '', , ...tags] = place.split(' ')
  const [type = '', source = ''] = origin.split(' ')
  return { id, target: unquote(target), type, source: unquote(source), tags }
}

/** The mount that an open place is on; undefined for one of no namespace. */
export function mountOf(place: Fd): MountEntry | undefined {
  const id = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${place.number}`, 'utf8'))?.[1]
  return readMounts().find((mount) => mount.id === id)
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return [text.slice(0, at), text.slice(at + separator.length)]
}

/** The kernel writes blanks, newlines and backslashes as `\040`. */
function unquote(text: string): string {
  if (!text.includes('\\')) return text
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
