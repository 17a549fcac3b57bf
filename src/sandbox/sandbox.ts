/** A container's network side: one network namespace, pinned below the exec-root so that it lives without processes. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setLink } from '../netlink/link.ts'
import { openRouteSocket } from '../netlink/socket.ts'
import type { Fd } from '../sys/fd.ts'
import { createNetns, inNetns, isNetns, openNetns, pinNetns, removeNetns } from '../sys/netns.ts'
import { procSys } from '../sys/proc-sys.ts'

export interface Sandbox extends Disposable {
  /** the container's id */
  readonly id: string
  /** Where the namespace is pinned: `<exec-root>/netns/<id>`. */
  readonly path: string
  readonly netns: Fd
}

/** A new namespace starts with its loopback as link 1 (net/core/dev.c, dev_new_index). */
const loopback = 1

/** What Docker gives containers of their own namespace: low ports and ping for every user. */
const sysctls: Readonly<Record<string, string>> = {
  'net/ipv4/ip_unprivileged_port_start': '0',
  'net/ipv4/ping_group_range': '0 2147483647',
}

function sandboxDirectory(execRoot: string): string {
  return join(execRoot, 'netns')
}

function sandboxPath(execRoot: string, id: string): string {
  return join(sandboxDirectory(execRoot), id)
}

function sandboxOf(id: string, path: string, netns: Fd): Sandbox {
  return { id, path, netns, [Symbol.dispose]: () => netns.close() }
}

/**
 * Makes the container's namespace, with loopback up, or takes again the one at `surviving`, which others live in. Throws EEXIST
 * when there is one already: adopt or remove that.
 */
export function openSandbox(options: { execRoot: string; id: string; surviving?: string | null }): Sandbox {
  const path = sandboxPath(options.execRoot, options.id)
  const netns = options.surviving ? pinNetns(options.surviving, path) : createNetns(path)
  try {
    using socket = openRouteSocket(netns)
    setLink(socket, loopback, { up: true })
    writeSysctls(netns, sysctls)
    return sandboxOf(options.id, path, netns)
  } catch (error) {
    netns.close()
    removeNetns(path)
    throw error
  }
}

/** Takes up the namespace that an earlier daemon made. Throws ENOENT when it is gone. */
export function adoptSandbox(options: { execRoot: string; id: string }): Sandbox {
  const path = sandboxPath(options.execRoot, options.id)
  return sandboxOf(options.id, path, openNetns(path))
}

/** As `adoptSandbox`, but null when the namespace is gone, or was never pinned. */
export function findSandbox(options: { execRoot: string; id: string }): Sandbox | null {
  try {
    const sandbox = adoptSandbox(options)
    if (isNetns(sandbox.netns)) return sandbox
    sandbox[Symbol.dispose]()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  return null
}

/** Unpins the namespace; the kernel frees it with the last process in it. Safe to repeat. */
export function removeSandbox(execRoot: string, id: string): void {
  removeNetns(sandboxPath(execRoot, id))
}

/** The ids of all sandboxes below the exec-root, whether or not their namespaces are pinned still. */
export function listSandboxes(execRoot: string): string[] {
  try {
    return readdirSync(sandboxDirectory(execRoot))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** Writes below /proc/sys, which shows the namespace of the thread that opens a file there. */
export function writeSysctls(netns: Fd, values: Readonly<Record<string, string>>): void {
  const directory = procSys()
  inNetns(netns, () => {
    for (const [name, value] of Object.entries(values)) writeFileSync(join(directory, name), value)
  })
}

/** Throws ENOENT when there is no such setting. */
export function readSysctl(netns: Fd, name: string): string {
  const path = join(procSys(), name)
  return inNetns(netns, () => readFileSync(path, 'utf8').trim())
}
