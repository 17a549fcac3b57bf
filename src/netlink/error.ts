import { type ErrorKind, TsnetError } from '../errors.ts'
import { errnoName, errnoText } from '../sys/errno.ts'

/** What an errno means when it comes in answer to a netlink request: ENODEV, for one, is a link that is not there. */
const kinds: Readonly<Record<string, ErrorKind>> = {
  EPERM: 'forbidden',
  EACCES: 'forbidden',
  EEXIST: 'conflict',
  EBUSY: 'conflict',
  ENODEV: 'not-found',
  ENOENT: 'not-found',
  ESRCH: 'not-found',
  EADDRNOTAVAIL: 'not-found',
  EOPNOTSUPP: 'unsupported',
  EAFNOSUPPORT: 'unsupported',
  ENOBUFS: 'unavailable',
  ENOMEM: 'unavailable',
}

/** A netlink request that the kernel refused. */
export class NetlinkError extends TsnetError {
  /** The request and its object: 'RTM_NEWLINK br-x'. */
  readonly request: string
  readonly errno: number
  /** The errno's name, e.g. 'EEXIST'. */
  readonly errnoName: string
  /** The kernel's own sentence (NLMSGERR_ATTR_MSG), '' when it gave none. */
  readonly extack: string
  /** Where in the request's body the offending attribute begins, in bytes; -1 when the kernel does not say. */
  readonly offset: number

  constructor(request: string, errno: number, extack: string, offset: number) {
    const name = errnoName(errno)
    const said = extack === '' ? '' : ` (kernel: ${extack})`
    super(kinds[name] ?? 'internal', 'netlink', `${request}: ${name}, ${errnoText(errno)}${said}`)
    this.name = 'NetlinkError'
    this.request = request
    this.errno = errno
    this.errnoName = name
    this.extack = extack
    this.offset = offset
  }
}

/** Bytes from the kernel that break the protocol's own rules. */
export class NetlinkDecodeError extends TsnetError {
  /** Bytes from the start of what was decoded. */
  readonly offset: number

  constructor(what: string, offset: number) {
    super('internal', 'netlink-decode', `${what} at byte ${offset} of a netlink message`)
    this.name = 'NetlinkDecodeError'
    this.offset = offset
  }
}

/** Whether `error` is the kernel's refusal with one of these errno names. */
export function isNetlinkError(error: unknown, ...names: readonly string[]): error is NetlinkError {
  return error instanceof NetlinkError && names.includes(error.errnoName)
}
