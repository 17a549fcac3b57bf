/**
 * Internet sockets opened by hand, so that they can be opened inside another network namespace (a socket keeps the
 * namespace it was made in) and handed to `node:net` or `node:dgram` by descriptor. Synchronous throughout.
 */
import { constants } from 'node:os'
import {
  AF_INET,
  AF_INET6,
  BPF_JMP_JEQ_K,
  BPF_LD_H_ABS,
  BPF_RET_K,
  ETH_P_IP,
  IP_FREEBIND,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_SCTP,
  IPV6_V6ONLY,
  SKF_AD_PROTOCOL_OFFSET,
  SO_ATTACH_FILTER,
  SO_BINDTODEVICE,
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
import { struct, u8, u16, u32 } from './layout.ts'
import { check, koffi, libc } from './libc.ts'

const nativeSocket = libc.func('int socket(int domain, int type, int protocol)')
const nativeBind = libc.func('int bind(int fd, const void *address, uint32_t length)')
const nativeListen = libc.func('int listen(int fd, int backlog)')
const nativeSetsockopt = libc.func(
  'int setsockopt(int fd, int level, int name, const void *value, uint32_t length)',
)
const nativeGetsockname = libc.func('int getsockname(int fd, _Out_ void *address, _Inout_ uint32_t *length)')
const nativeInetPton = libc.func('int inet_pton(int family, const char *text, _Out_ void *address)')

export const sock_filter = struct({ code: u16, jt: u8, jf: u8, k: u32 })

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
    if (options.family === 6 && options.v6only !== undefined)
      setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, Number(options.v6only), name)
    // taken over by IPv6 sockets too (ipv6_can_nonlocal_bind() in include/net/ipv6.h)
    if (options.freebind) setFlag(fd, IPPROTO_IP, IP_FREEBIND, name)
    if (options.device !== undefined) bindToDevice(fd, options.device)
    if (options.discard) attachFilter(fd, discardAll, name)
    check(nativeBind(fd.number, address, address.length), 'bind', name)
    if (options.listen !== undefined) check(nativeListen(fd.number, options.listen), 'listen', name)
    return fd
  } catch (error) {
    fd.close()
    throw error
  }
}

/** Lets a socket opened with `discard` receive from now on: all, or what comes by IPv6 only. */
export function stopDiscarding(fd: Fd, from: 'all' | 'ipv6'): void {
  if (from === 'all') setFlag(fd, SOL_SOCKET, SO_DETACH_FILTER, '')
  else attachFilter(fd, discardIpv4, '')
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
  setOption(fd, level, option, 1, name)
}

function setOption(fd: Fd, level: number, option: number, value: number, name: string): void {
  const bytes = Buffer.from([value, 0, 0, 0])
  check(nativeSetsockopt(fd.number, level, option, bytes, bytes.length), 'setsockopt', name)
}

function bindToDevice(fd: Fd, device: string): void {
  const name = Buffer.from(device)
  check(
    nativeSetsockopt(fd.number, SOL_SOCKET, SO_BINDTODEVICE, name, name.length),
    'SO_BINDTODEVICE',
    device,
  )
}

interface FilterStep {
  readonly code: number
  readonly jt: number
  readonly jf: number
  readonly k: number
}

/** How many bytes of a packet to keep is what a filter returns. */
const keep = (bytes: number): FilterStep => ({ code: BPF_RET_K, jt: 0, jf: 0, k: bytes })

const discardAll = encodeFilter([keep(0)])

const discardIpv4 = encodeFilter([
  { code: BPF_LD_H_ABS, jt: 0, jf: 0, k: SKF_AD_PROTOCOL_OFFSET },
  { code: BPF_JMP_JEQ_K, jt: 0, jf: 1, k: ETH_P_IP },
  keep(0),
  keep(0xffffffff),
])

/** struct sock_fprog and the struct sock_filter array that it points to, made once: attaching a filter takes less than that. */
function encodeFilter(steps: readonly FilterStep[]): { readonly program: Buffer; readonly steps: Buffer } {
  const encoded = Buffer.concat(steps.map((step) => sock_filter.encode(step)))
  const program = Buffer.alloc(16)
  program.writeUInt16LE(steps.length, 0)
  program.writeBigUInt64LE(BigInt(koffi.address(encoded)), 8)
  return { program, steps: encoded }
}

/** Takes the place of the filter that there is. */
function attachFilter(fd: Fd, { program }: ReturnType<typeof encodeFilter>, name: string): void {
  const result = nativeSetsockopt(fd.number, SOL_SOCKET, SO_ATTACH_FILTER, program, program.length)
  check(result, 'SO_ATTACH_FILTER', name)
}
