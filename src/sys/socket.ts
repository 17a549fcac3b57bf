/**
 * Internet sockets opened by hand, so that they can be opened inside another network namespace (a socket keeps the
 * namespace it was made in) and handed to `node:net` or `node:dgram` by descriptor. Synchronous throughout.
 */
import { constants } from 'node:os'
import {
  AF_INET,
  AF_INET6,
  BPF_RET_K,
  IPPROTO_IPV6,
  IPPROTO_SCTP,
  IPV6_V6ONLY,
  SO_ATTACH_FILTER,
  SO_DETACH_FILTER,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
} from './constants/socket.ts'
import { SyscallError } from './errno.ts'
import { Fd } from './fd.ts'
import { check, koffi, libc } from './libc.ts'

const nativeSocket = libc.func('int socket(int domain, int type, int protocol)')
const nativeBind = libc.func('int bind(int fd, const void *address, uint32_t length)')
const nativeListen = libc.func('int listen(int fd, int backlog)')
const nativeSetsockopt = libc.func(
  'int setsockopt(int fd, int level, int name, const void *value, uint32_t length)',
)
const nativeGetsockname = libc.func('int getsockname(int fd, _Out_ void *address, _Inout_ uint32_t *length)')
const nativeInetPton = libc.func('int inet_pton(int family, const char *text, _Out_ void *address)')

const sockFilter = koffi.struct('sock_filter', { code: 'uint16', jt: 'uint8', jf: 'uint8', k: 'uint32' })
const sockFprog = koffi.struct('sock_fprog', { len: 'uint16', filter: koffi.pointer(sockFilter) })
const nativeAttachFilter = libc.func('setsockopt', 'int', [
  'int',
  'int',
  'int',
  koffi.pointer(sockFprog),
  'uint32_t',
])

export type SocketType = 'stream' | 'datagram' | 'sctp'

export interface InetSocketOptions {
  readonly family: 4 | 6
  /** TCP, UDP, or one-to-one SCTP. */
  readonly type: SocketType
  /** An address in the family's textual form, without a zone. */
  readonly address: string
  /** 0 lets the kernel choose; see `socketPort`. */
  readonly port: number
  /** Backlog of listen(2); without it the socket is only bound. */
  readonly listen?: number
  readonly reuseAddress?: boolean
  /** Keep an IPv6 socket from taking IPv4's port as well. */
  readonly v6only?: boolean
  /** Drop whatever arrives, by a socket filter that keeps no byte: nothing is ever accepted or queued. */
  readonly discard?: boolean
}

const kernelTypes = { stream: SOCK_STREAM, datagram: SOCK_DGRAM, sctp: SOCK_STREAM } as const
const protocolNames = { stream: 'tcp', datagram: 'udp', sctp: 'sctp' } as const

/**
 * socket(2), bind(2) and, if asked for, listen(2): close-on-exec and non-blocking. Throws SyscallError naming the call
 * that failed and the address, e.g. `bind 0.0.0.0:8080/tcp: EADDRINUSE, address already in use`.
 */
export function openInetSocket(options: InetSocketOptions): Fd {
  const name = describe(options)
  const domain = options.family === 4 ? AF_INET : AF_INET6
  const type = kernelTypes[options.type] | SOCK_CLOEXEC | SOCK_NONBLOCK
  const address = encodeAddress(options.family, options.address, options.port)
  const protocol = options.type === 'sctp' ? IPPROTO_SCTP : 0
  const fd = new Fd(check(nativeSocket(domain, type, protocol), 'socket', name))
  try {
    if (options.reuseAddress) setFlag(fd, SOL_SOCKET, SO_REUSEADDR, name)
    if (options.v6only) setFlag(fd, IPPROTO_IPV6, IPV6_V6ONLY, name)
    if (options.discard) attachDiscard(fd, name)
    check(nativeBind(fd.number, address, address.length), 'bind', name)
    if (options.listen !== undefined) check(nativeListen(fd.number, options.listen), 'listen', name)
    return fd
  } catch (error) {
    fd.close()
    throw error
  }
}

/** Lets a socket opened with `discard` receive from now on. */
export function stopDiscarding(fd: Fd): void {
  setFlag(fd, SOL_SOCKET, SO_DETACH_FILTER, '')
}

/** The local port of a bound socket, by getsockname(2). */
export function socketPort(fd: Fd): number {
  const address = Buffer.alloc(28)
  check(nativeGetsockname(fd.number, address, [address.length]), 'getsockname')
  return address.readUInt16BE(2)
}

function describe({ family, type, address, port }: InetSocketOptions): string {
  const host = family === 6 ? `[${address}]` : address
  return `${host}:${port}/${protocolNames[type]}`
}

/** sockaddr_in or sockaddr_in6: family in the machine's order, port in the network's. */
function encodeAddress(family: 4 | 6, address: string, port: number): Buffer {
  const bytes = Buffer.alloc(family === 4 ? 16 : 28)
  bytes.writeUInt16LE(family === 4 ? AF_INET : AF_INET6, 0)
  bytes.writeUInt16BE(port, 2)
  const part = bytes.subarray(family === 4 ? 4 : 8)
  if (nativeInetPton(family === 4 ? AF_INET : AF_INET6, address, part) !== 1) {
    throw new SyscallError('inet_pton', constants.errno.EINVAL, `${address} as an IPv${family} address`)
  }
  return bytes
}

function setFlag(fd: Fd, level: number, option: number, name: string): void {
  const one = Buffer.from([1, 0, 0, 0])
  check(nativeSetsockopt(fd.number, level, option, one, one.length), 'setsockopt', name)
}

function attachDiscard(fd: Fd, name: string): void {
  const program = { len: 1, filter: [{ code: BPF_RET_K, jt: 0, jf: 0, k: 0 }] }
  const size = koffi.sizeof(sockFprog)
  check(nativeAttachFilter(fd.number, SOL_SOCKET, SO_ATTACH_FILTER, program, size), 'SO_ATTACH_FILTER', name)
}
