/**
 * Internet sockets opened by hand, so that they can be opened inside another network namespace (a socket keeps the
 * namespace it was made in) and handed to `node:net` or `node:dgram` by descriptor. Synchronous throughout.
 */
import { closeSync } from 'node:fs'
import { constants } from 'node:os'
import { F_DUPFD_CLOEXEC } from './constants/fcntl.ts'
import {
  AF_INET,
  AF_INET6,
  IP_FREEBIND,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_SCTP,
  IPV6_V6ONLY,
  SO_BINDTODEVICE,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_SNDBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
} from './constants/socket.ts'
import { SyscallError } from './errno.ts'
import { Fd } from './fd.ts'
import { check, libc } from './libc.ts'
import { attachFilter } from './socket-filter.ts'

const nativeSocket = libc.func('int socket(int domain, int type, int protocol)')
const nativeBind = libc.func('int bind(int fd, const void *address, uint32_t length)')
const nativeConnect = libc.func('int connect(int fd, const void *address, uint32_t length)')
const nativeListen = libc.func('int listen(int fd, int backlog)')
const nativeFcntl = libc.func('int fcntl(int fd, int command, int value)')
const nativeSetsockopt = libc.func(
  'int setsockopt(int fd, int level, int name, const void *value, uint32_t length)',
)
const nativeGetsockname = libc.func('int getsockname(int fd, _Out_ void *address, _Inout_ uint32_t *length)')
const nativeIndexOf = libc.func('unsigned int if_nametoindex(const char *name)')
const nativeInetPton = libc.func('int inet_pton(int family, const char *text, _Out_ void *address)')

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
  /** Whether an IPv6 socket leaves IPv4's port alone; without it the host's settings decide. */
  readonly v6only?: boolean
  /** The only interface whose packets are for this socket. */
  readonly device?: string
  /** Bind to an address that the host does not have yet. */
  readonly freebind?: boolean
  /** Drop whatever arrives, by a socket filter that keeps no byte: nothing is ever accepted or queued. */
  readonly discard?: boolean
  /** Leave the descriptors below 1024 to those who need them: select(2) knows no others. */
  readonly high?: boolean
}

const kernelTypes = { stream: SOCK_STREAM, datagram: SOCK_DGRAM, sctp: SOCK_STREAM } as const
const protocolNames = { stream: 'tcp', datagram: 'udp', sctp: 'sctp' } as const

/**
 * socket(2), bind(2) and, if asked for, listen(2): close-on-exec and non-blocking. Throws SyscallError naming the call
 * that failed and the address, e.g. `bind 0.0.0.0:8080/tcp: EADDRINUSE, address already in use`.
 */
export function openInetSocket(options: InetSocketOptions): Fd {
  try {
    return openNamed(options)
  } catch (error) {
    if (!(error instanceof SyscallError) || error.call === 'inet_pton') throw error
    throw new SyscallError(error.call, error.errno, describe(options))
  }
}

function openNamed(options: InetSocketOptions): Fd {
  const domain = options.family === 4 ? AF_INET : AF_INET6
  const type = kernelTypes[options.type] | SOCK_CLOEXEC | SOCK_NONBLOCK
  const address = encodeAddress(options.family, options.address, options.port)
  const protocol = options.type === 'sctp' ? IPPROTO_SCTP : 0
  const number = check(nativeSocket(domain, type, protocol), 'socket')
  const fd = new Fd(options.high ? raiseDescriptor(number) : number)
  try {
    if (options.reuseAddress) setFlag(fd, SOL_SOCKET, SO_REUSEADDR, true)
    if (options.family === 6 && options.v6only !== undefined)
      setFlag(fd, IPPROTO_IPV6, IPV6_V6ONLY, options.v6only)
    // taken over by IPv6 sockets too (ipv6_can_nonlocal_bind() in include/net/ipv6.h)
    if (options.freebind) setFlag(fd, IPPROTO_IP, IP_FREEBIND, true)
    if (options.device !== undefined) bindToDevice(fd, options.device)
    if (options.discard) attachFilter(fd, 'nothing')
    check(nativeBind(fd.number, address, address.length), 'bind')
    if (options.listen !== undefined) check(nativeListen(fd.number, options.listen), 'listen')
    return fd
  } catch (error) {
    fd.close()
    throw error
  }
}

/**
 * connect(2): datagrams come from that address alone then, and go there. An IPv6 address may carry a zone, the name of an interface
 * of the thread's present network namespace. Throws SyscallError.
 */
export function connectSocket(fd: Fd, address: string, port: number): void {
  const [host = '', zone] = address.split('%')
  const bytes = encodeAddress(host.includes(':') ? 6 : 4, host, port)
  if (zone !== undefined) bytes.writeUInt32LE(nativeIndexOf(zone) || Number(zone) || 0, scopeAt)
  check(nativeConnect(fd.number, bytes, bytes.length), 'connect', `${address}:${port}`)
}

/** Bytes, of which the kernel grants what net.core.rmem_max allows. */
export function setReceiveBuffer(fd: Fd, bytes: number): void {
  const value = Buffer.alloc(4)
  value.writeUInt32LE(bytes)
  check(nativeSetsockopt(fd.number, SOL_SOCKET, SO_RCVBUF, value, value.length), 'setsockopt')
}

/**
 * Lets a connected socket hold so many bytes that its other end has not taken, whatever net.core.wmem_max says; anything else than
 * a socket, and one of a process without CAP_NET_ADMIN, stays as it is.
 */
export function widenSendBuffer(fd: number, bytes: number): void {
  const value = Buffer.alloc(4)
  value.writeInt32LE(bytes)
  nativeSetsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, value, value.length)
}

/** The local port of a bound socket, by getsockname(2). */
export function socketPort(fd: Fd): number {
  const address = Buffer.alloc(28)
  check(nativeGetsockname(fd.number, address, [address.length]), 'getsockname')
  return address.readUInt16BE(2)
}

/** FD_SETSIZE of <sys/select.h> */
const selectable = 1024

/** Where the limit of open files leaves no room above, the descriptor stays as it is. */
export function raiseDescriptor(number: number): number {
  const raised = nativeFcntl(number, F_DUPFD_CLOEXEC, selectable)
  if (raised < 0) return number
  closeSync(number)
  return raised
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

/** Where sockaddr_in6 holds the zone's number. */
const scopeAt = 24

const flagValues = { on: Buffer.from([1, 0, 0, 0]), off: Buffer.alloc(4) }

function setFlag(fd: Fd, level: number, option: number, on: boolean): void {
  const value = on ? flagValues.on : flagValues.off
  check(nativeSetsockopt(fd.number, level, option, value, value.length), 'setsockopt')
}

function bindToDevice(fd: Fd, device: string): void {
  const name = Buffer.from(device)
  check(
    nativeSetsockopt(fd.number, SOL_SOCKET, SO_BINDTODEVICE, name, name.length),
    'SO_BINDTODEVICE',
    device,
  )
}
