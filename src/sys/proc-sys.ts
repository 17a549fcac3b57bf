/**
 * /proc/sys at a cost that does not grow. Below /proc/sys/net each network namespace has entries of its own under the same names, and
 * the kernel keeps all that were ever looked up in one list, so that the next lookup passes all of them (proc_sys_compare() in
 * fs/proc/proc_sysctl.c): half a millisecond beside 500 containers. A proc that is mounted nowhere has seen only what was looked up
 * through it.
 */
import { mountDetached } from './detached-mount.ts'
import { SyscallError } from './errno.ts'
import type { Fd } from './fd.ts'

/** After as many lookups another one is made, which takes as long as one lookup beside 500. */
const lookups = 64

const usual = '/proc/sys'

let own: Fd | null = null
let left = 0
let isRefused = false

/** The directory to look up one path in: settings of the network namespace that the thread is in. */
export function procSys(): string {
  if (left === 0) renew()
  left--
  return own === null ? usual : `/proc/self/fd/${own.number}/sys`
}

/** What is not granted once, as by kernels before 5.2 and in user namespaces, is not asked for again. */
function renew(): void {
  left = lookups
  if (isRefused) return
  const former = own
  try {
    own = mountDetached('proc', 'proc', '')
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error
    isRefused = true
    own = null
  }
  former?.closeSoon()
}
