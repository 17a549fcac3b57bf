import { constants } from 'node:os'
import { getSystemErrorMap } from 'node:util'
import { type ErrorKind, TsnetError } from '../errors.ts'

/** Of two names for one number the kernel's own counts: EAGAIN, EOPNOTSUPP. */
const synonyms = ['EWOULDBLOCK', 'ENOTSUP']
const names = new Map<number, string>(
  Object.entries(constants.errno).flatMap(([name, number]) =>
    synonyms.includes(name) ? [] : [[number, name]],
  ),
)

/** `ENOENT` for 2; the bare number when the C library has no name for it. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`
}

/** Made once: each call of node's builds it anew. */
let texts: ReturnType<typeof getSystemErrorMap> | null = null

/** The C library's sentence for an errno, in lower case. */
export function errnoText(errno: number): string {
  texts ??= getSystemErrorMap()
  return texts.get(-errno)?.[1] ?? 'unknown error'
}

const kinds: Readonly<Record<string, ErrorKind>> = {
  EPERM: 'forbidden',
  EACCES: 'forbidden',
  ENOSYS: 'unsupported',
  EOPNOTSUPP: 'unsupported',
  ENODEV: 'unsupported',
  ENOSPC: 'unavailable',
  EMFILE: 'unavailable',
  ENFILE: 'unavailable',
  ENOMEM: 'unavailable',
}

/** A failed system call: what was called, on what, and what the kernel said. */
export class SyscallError extends TsnetError {
  readonly call: string
  readonly errno: number
  /** The errno's name, e.g. 'EEXIST'. */
  readonly errnoName: string
  /** The object of the call, '' when it was not named. */
  readonly detail: string

  constructor(call: string, errno: number, detail = '') {
    const name = errnoName(errno)
    super(
      kinds[name] ?? 'internal',
      'syscall',
      `${call}${detail === '' ? '' : ` ${detail}`}: ${name}, ${errnoText(errno)}`,
    )
    this.name = 'SyscallError'
    this.call = call
    this.errno = errno
    this.errnoName = name
    this.detail = detail
  }
}

export function isErrno(error: unknown, ...names: readonly string[]): boolean {
  return error instanceof SyscallError && names.includes(error.errnoName)
}
