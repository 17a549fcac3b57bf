/** Capabilities (capabilities(7)) of a container: which ones it gets, and how a thread comes down to them. */
import { TsnetError } from '../errors.ts'
import { _LINUX_CAPABILITY_VERSION_3, CAPABILITIES } from './constants/capability.ts'
import {
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAPBSET_DROP,
  PR_CAPBSET_READ,
  PR_SET_NO_NEW_PRIVS,
} from './constants/prctl.ts'
import { SYS_capset, SYS_setgroups, SYS_setresgid, SYS_setresuid } from './constants/unistd.ts'
import { SyscallError } from './errno.ts'
import { check, declare, lastErrno } from './libc.ts'

const nativePrctl = declare<[number, number, number, number, number], number>(
  'int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)',
)
const nativeCapset = declare<[number, Buffer, Buffer], number>(
  'long syscall(long number, const void *header, const void *data)',
)
const nativeSetgroups = declare<[number, number, Buffer], number>(
  'long syscall(long number, size_t count, const void *groups)',
)
const nativeSetIds = declare<[number, number, number, number], number>(
  'long syscall(long number, uint32_t real, uint32_t effective, uint32_t saved)',
)

/** What Docker gives a container that asks for nothing. */
export const defaultCapabilities: readonly string[] = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FSETID',
  'FOWNER',
  'MKNOD',
  'NET_RAW',
  'SETGID',
  'SETUID',
  'SETFCAP',
  'SETPCAP',
  'NET_BIND_SERVICE',
  'SYS_CHROOT',
  'KILL',
  'AUDIT_WRITE',
]

const numbers: ReadonlyMap<string, number> = new Map(CAPABILITIES.map((name, number) => [name, number]))

/** What a user asked for: names with or without CAP_, in any case; ALL stands for every one. */
export interface CapabilityRequest {
  readonly add: readonly string[]
  readonly drop: readonly string[]
  /** Every capability, whatever else is asked for. */
  readonly privileged?: boolean
  /** What can be given at all, by default what this process may hand on. */
  readonly available?: readonly string[]
}

/**
 * Decides by Docker's rules which capabilities a container gets: names without CAP_, each once. Adding ALL wins over
 * dropping ALL. Throws TsnetError 'invalid' for a name that does not exist or cannot be given here.
 */
export function resolveCapabilities(request: CapabilityRequest): readonly string[] {
  const available = request.available ?? availableCapabilities()
  if (request.privileged) return available
  const add = normalize('CapAdd', request.add, available)
  // what this kernel lacks need not be taken away
  const drop = new Set(normalize('CapDrop', request.drop, CAPABILITIES))
  if (add.includes('ALL')) return available.filter((name) => !drop.has(name))
  if (drop.has('ALL')) return [...new Set(add)]
  const kept = defaultCapabilities.filter((name) => available.includes(name) && !drop.has(name))
  return [...new Set([...kept, ...add])]
}

/** `field` is Docker's name of the list, for the message. */
function normalize(field: string, names: readonly string[], available: readonly string[]): string[] {
  return names.map((given) => {
    const name = given.toUpperCase().replace(/^CAP_/, '')
    if (name === 'ALL' || available.includes(name)) return name
    const problem = numbers.has(name)
      ? 'capability not supported by your kernel or not available in the current environment'
      : 'unknown capability'
    throw new TsnetError('invalid', 'invalid-capability', `invalid ${field}: ${problem}: "CAP_${name}"`)
  })
}

let available: readonly string[] | null = null

/** The capabilities that this process may hand on: its bounding set, which cannot grow and so is read once. */
export function availableCapabilities(): readonly string[] {
  available ??= CAPABILITIES.filter((_, number) => nativePrctl(PR_CAPBSET_READ, number, 0, 0, 0) === 1)
  return available
}

export interface UserIdentity {
  readonly uid: number
  readonly gid: number
  /** Supplementary groups; the whole list. */
  readonly groups: readonly number[]
  /** Names without CAP_; all must be among the caller's. */
  readonly caps: readonly string[]
  readonly noNewPrivileges: boolean
}

/**
 * Makes the calling thread the user that runs the program, with no way back. By raw system calls, as libc's would
 * change the other threads of Node too, by signals; they end at execve.
 *
 * The order is the kernel's: the bounding set needs CAP_SETPCAP, groups and ids need CAP_SETGID and CAP_SETUID, and
 * changing the ids from root to another user clears the capabilities. A filter loaded without no_new_privs comes
 * before this, one with it after. Root gets `caps` as bounding, permitted and effective set; another user gets
 * them as bounding set only, which is what its set-user-ID programs can reach.
 */
export function becomeUser(user: UserIdentity): void {
  limitBoundingSet(user.caps)
  setGroups(user.groups)
  const { uid, gid } = user
  check(nativeSetIds(SYS_setresgid, gid, gid, gid), 'setresgid', `${gid}`)
  check(nativeSetIds(SYS_setresuid, uid, uid, uid), 'setresuid', `${uid}`)
  setCapabilities(uid === 0 ? user.caps : [])
  if (user.noNewPrivileges)
    check(nativePrctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 'prctl', 'PR_SET_NO_NEW_PRIVS')
}

/** What is not there need not be dropped. PR_CAPBSET_READ answers -1 past the last capability that the kernel knows, which may be later than the last name here. */
function limitBoundingSet(caps: readonly string[]): void {
  const wanted = capabilityMask(caps)
  for (let number = 0; number < 64; number++) {
    if (wanted & (1n << BigInt(number)) || nativePrctl(PR_CAPBSET_DROP, number, 0, 0, 0) === 0) continue
    const errno = lastErrno()
    const state = nativePrctl(PR_CAPBSET_READ, number, 0, 0, 0)
    if (state < 0) return
    if (state > 0) throw new SyscallError('prctl', errno, `PR_CAPBSET_DROP ${CAPABILITIES[number] ?? number}`)
  }
}

function setGroups(groups: readonly number[]): void {
  const list = Buffer.alloc(groups.length * 4)
  for (const [index, group] of groups.entries()) list.writeUInt32LE(group, index * 4)
  check(nativeSetgroups(SYS_setgroups, groups.length, list), 'setgroups', groups.join(','))
}

/** capset(2): effective and permitted; nothing is inheritable, which empties the ambient set as well. */
function setCapabilities(caps: readonly string[]): void {
  const header = Buffer.alloc(8)
  header.writeUInt32LE(_LINUX_CAPABILITY_VERSION_3, 0)
  // two of struct __user_cap_data_struct { effective, permitted, inheritable }, low half first
  const data = Buffer.alloc(24)
  const mask = capabilityMask(caps)
  for (const half of [0, 1]) {
    const bits = Number(BigInt.asUintN(32, mask >> BigInt(32 * half)))
    data.writeUInt32LE(bits, half * 12)
    data.writeUInt32LE(bits, half * 12 + 4)
  }
  check(nativePrctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), 'prctl', 'PR_CAP_AMBIENT')
  check(nativeCapset(SYS_capset, header, data), 'capset', caps.join(','))
}

/** One bit a capability, as in /proc/PID/status. */
export function capabilityMask(caps: readonly string[]): bigint {
  let mask = 0n
  for (const name of caps) {
    const number = numbers.get(name)
    if (number === undefined) {
      throw new TsnetError('invalid', 'invalid-capability', `unknown capability: "CAP_${name}"`)
    }
    mask |= 1n << BigInt(number)
  }
  return mask
}
