/**
 * User namespaces in which nobody lives: their mappings are what mounts show owners by (MOUNT_ATTR_IDMAP). Each mapping has
 * one, pinned below the exec-root by a bind mount, so that it lives without processes.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TsnetError } from '../errors.ts'
import { MS_BIND } from '../sys/constants/mount.ts'
import { mount } from '../sys/mount.ts'
import { isPinned, makePin, removePin } from '../sys/pin.ts'
import { type IdRange, parseIdmap } from '../values/idmap.ts'

function pinDirectory(execRoot: string): string {
  return join(execRoot, 'userns')
}

function pinPath(execRoot: string, idmap: string): string {
  return join(pinDirectory(execRoot), createHash('sha256').update(idmap).digest('hex').slice(0, 16))
}

/** All ids as they are (user_namespaces(7)). */
const identity = '0 0 4294967295'

/** The content of uid_map or gid_map: what is on disk, what is seen, how many. */
export function mapText(ranges: readonly IdRange[]): string {
  return ranges.length === 0
    ? identity
    : ranges.map(({ disk, seen, count }) => `${disk} ${seen} ${count}`).join('\n')
}

const making = new Map<string, Promise<void>>()

/** The path of a namespace with this mapping, made if there is none. Throws kind 'unsupported' where none can be made. */
export async function requireUserNamespace(execRoot: string, idmap: string): Promise<string> {
  const path = pinPath(execRoot, idmap)
  const running = making.get(path) ?? (isPinned(path) ? undefined : makeAt(path, idmap))
  if (running === undefined) return path
  making.set(path, running)
  try {
    await running
  } finally {
    making.delete(path)
  }
  return path
}

async function makeAt(path: string, idmap: string): Promise<void> {
  const { uid, gid } = parseIdmap(idmap)
  const child = spawn('unshare', ['--user', 'sh', '-c', 'echo && exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  try {
    await untilThere(child)
    writeFileSync(`/proc/${child.pid}/uid_map`, mapText(uid))
    writeFileSync(`/proc/${child.pid}/gid_map`, mapText(gid))
    // A daemon that was killed here has left the file.
    removePin(path)
    makePin(path)
    mount(`/proc/${child.pid}/ns/user`, path, '', MS_BIND, '')
  } finally {
    child.stdin?.end()
  }
}

/** It writes a line once it is in its namespace. */
async function untilThere(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit').then(() => {
    throw new TsnetError(
      'unsupported',
      'no-user-namespace',
      'idmap: no user namespace could be made: see the sysctl user.max_user_namespaces and the kernel’s CONFIG_USER_NS',
    )
  })
  gone.catch(() => {})
  await Promise.race([once(child.stdout ?? child, 'data'), gone])
}

/** Safe to repeat; mounts that show owners by it go on. */
export function removeUserNamespace(execRoot: string, idmap: string): void {
  removePin(pinPath(execRoot, idmap))
}

/** Removes all but those with the mappings in use. */
export function sweepUserNamespaces(execRoot: string, idmaps: readonly string[]): void {
  const kept = new Set(idmaps.map((idmap) => pinPath(execRoot, idmap)))
  for (const name of listPins(execRoot)) {
    const path = join(pinDirectory(execRoot), name)
    if (!kept.has(path)) removePin(path)
  }
}

function listPins(execRoot: string): string[] {
  try {
    return readdirSync(pinDirectory(execRoot))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
