/**
 * Echo requests and their answers by ping sockets (icmp(7), IPPROTO_ICMP): the kernel gives each its identifier, sums up, and hands over
 * the answers to that socket's requests alone.
 */
import { constants } from 'node:os'
import {
  AF_INET,
  AF_INET6,
  IP_MTU_DISCOVER,
  IP_PMTUDISC_PROBE,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_MTU_DISCOVER,
  IPV6_PMTUDISC_PROBE,
  MSG_DONTWAIT,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
} from './constants/socket.ts'
import { SyscallError } from './errno.ts'
import { Fd } from './fd.ts'
import { check, declare, lastErrno } from './libc.ts'
import { connectSocket } from './socket.ts'

const nativeSocket = declare<[number, number, number], number>('int socket(int, int, int)')
const nativeSetsockopt = declare<[number, number, number, Buffer, number], number>(
  'int setsockopt(int, int, int, const void *, uint32_t)',
)
const nativeSend = declare<[number, Buffer, number, number], number>(
  'long send(int, const void *, size_t, int)',
)
const nativeReceive = declare<[number, Buffer, number, number], number>('long recv(int, void *, size_t, int)')

/** RFC 792 and RFC 4443: type, code, check sum, identifier, sequence number. */
const headerSize = 8
const sequenceAt = 6

const kinds = {
  4: {
    domain: AF_INET,
    protocol: IPPROTO_ICMP,
    option: [IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE],
    request: 8,
    around: 20,
  },
  6: {
    domain: AF_INET6,
    protocol: IPPROTO_ICMPV6,
    option: [IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE],
    request: 128,
    around: 40,
  },
} as const

/** The shortest packet that an echo request can be in, in bytes. */
export const shortestEcho = { 4: kinds[4].around + headerSize, 6: kinds[6].around + headerSize } as const

/**
 * A socket of the thread's present network namespace whose requests go to `address` and are never cut. Throws SyscallError, e.g.
 * `connect …: ENETUNREACH`, or EACCES where net.ipv4.ping_group_range leaves root out.
 */
export function openPingSocket(family: 4 | 6, address: string): Fd {
  const { domain, protocol, option } = kinds[family]
  const type = SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK
  const socket = new Fd(check(nativeSocket(domain, type, protocol), 'socket', 'for echo requests'))
  try {
    const [level, name, value] = option
    const bytes = Buffer.from([value, 0, 0, 0])
    check(nativeSetsockopt(socket.number, level, name, bytes, bytes.length), 'setsockopt', 'MTU_DISCOVER')
    connectSocket(socket, address, 0)
    return socket
  } catch (error) {
    socket.close()
    throw error
  }
}

/**
 * Sends a request in a packet of `length` bytes, IP header included. False when it cannot leave, as a packet that is longer than the
 * interface's MTU, or one without a way.
 */
export function sendEcho(socket: Fd, family: 4 | 6, sequence: number, length: number): boolean {
  const { request, around } = kinds[family]
  const message = Buffer.alloc(length - around)
  message.writeUInt8(request)
  message.writeUInt16BE(sequence, sequenceAt)
  return nativeSend(socket.number, message, message.length, MSG_DONTWAIT) >= 0
}

const answer = Buffer.alloc(headerSize)

/** The sequence number of the next answer, null when none waits. Throws SyscallError with what was reported instead, once. */
export function receiveEcho(socket: Fd): number | null {
  const length = nativeReceive(socket.number, answer, answer.length, MSG_DONTWAIT)
  if (length >= 0) return answer.readUInt16BE(sequenceAt)
  const errno = lastErrno()
  if (errno === constants.errno.EAGAIN) return null
  throw new SyscallError('recv', errno)
}
