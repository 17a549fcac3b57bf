/** Who holds a port, for error messages: found by walking /proc (proc_pid_fd(5), proc_net(5)), so only on that path. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import type { Protocol } from '../store/records.ts'

const LISTEN = '0A'

/** `nginx, process 123`, or '' when it cannot be found out. */
export function findHolder(protocol: Protocol, port: number): string {
  const inode = ['', '6']
    .map((suffix) => findInode(`/proc/net/${protocol}${suffix}`, protocol, port))
    .find(Boolean)
  if (inode === undefined) return ''
  const pid = readdirOrNone('/proc').find(
    (name) => /^\d+$/.test(name) && holdsSocket(name, `socket:[${inode}]`),
  )
  return pid === undefined ? '' : `${readOrEmpty(`/proc/${pid}/comm`).trim()}, process ${pid}`
}

/** The inode of a socket bound to the port (listening, for TCP) in one of the kernel's lists. */
function findInode(list: string, protocol: Protocol, port: number): string | undefined {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  for (const line of readOrEmpty(list).split('\n')) {
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/)
    if (local.endsWith(wanted) && (protocol !== 'tcp' || state === LISTEN) && inode !== '0') return inode
  }
  return undefined
}

function holdsSocket(pid: string, socket: string): boolean {
  const directory = `/proc/${pid}/fd`
  return readdirOrNone(directory).some((fd) => {
    try {
      return readlinkSync(`${directory}/${fd}`) === socket
    } catch {
      return false
    }
  })
}

/** Processes end while one looks. */
function readdirOrNone(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
