/**
 * Datagrams with the address of this host to which they came (IPV6_PKTINFO, ipv6(7)), so that the answer comes from there: of a host
 * with several addresses the kernel would take the one that is nearest to the client. For IPv6 sockets, which may stand for IPv4 too.
 */
import { constants } from 'node:os'
import { IPPROTO_IPV6, IPV6_PKTINFO, IPV6_RECVPKTINFO, MSG_DONTWAIT } from './constants/socket.ts'
import type { Fd } from './fd.ts'
import { check, declare, koffi, lastErrno } from './libc.ts'

const nativeSetsockopt = declare<[number, number, number, Buffer, number], number>(
  'int setsockopt(int, int, int, const void *, uint32_t)',
)
const nativeReceive = declare<[number, Buffer, number], number>('long recvmsg(int, void *, int)')
const nativeSend = declare<[number, Buffer, number], number>('long sendmsg(int, const void *, int)')

/** struct sockaddr_in6, in6_pktinfo, cmsghdr with one, iovec and msghdr of a 64-bit machine; sizes in bytes. */
const addressSize = 28
const infoSize = 20
const controlSize = 40
const controlDataAt = 16
const iovecSize = 16
const messageSize = 56
const addressAt = 8

/** Where a datagram came from, and where to; opaque, to be given back with the answer. */
export interface Route {
  /** struct sockaddr_in6 of the client: equal bytes are one client. */
  readonly client: Buffer
  /** struct in6_pktinfo */
  readonly local: Buffer
}

/** Shared, as nothing here waits. */
const payload = Buffer.alloc(65_536)
const address = Buffer.alloc(addressSize)
const control = Buffer.alloc(controlSize)
const iovec = Buffer.alloc(iovecSize)
const message = Buffer.alloc(messageSize)

export function wantLocalAddresses(fd: Fd): void {
  const on = Buffer.from([1, 0, 0, 0])
  check(
    nativeSetsockopt(fd.number, IPPROTO_IPV6, IPV6_RECVPKTINFO, on, on.length),
    'setsockopt',
    'IPV6_RECVPKTINFO',
  )
}

function describe(data: Buffer, length: number): void {
  iovec.writeBigUInt64LE(BigInt(koffi.address(data)), 0)
  iovec.writeBigUInt64LE(BigInt(length), 8)
  message.fill(0)
  message.writeBigUInt64LE(BigInt(koffi.address(address)), 0)
  message.writeUInt32LE(addressSize, 8)
  message.writeBigUInt64LE(BigInt(koffi.address(iovec)), 16)
  message.writeBigUInt64LE(1n, 24)
  message.writeBigUInt64LE(BigInt(koffi.address(control)), 32)
  message.writeBigUInt64LE(BigInt(controlSize), 40)
}

/** The next datagram that waits, null when none does. */
export function receiveDatagram(fd: Fd): { data: Buffer; route: Route } | null {
  control.fill(0)
  describe(payload, payload.length)
  const length = nativeReceive(fd.number, message, MSG_DONTWAIT)
  if (length < 0 && lastErrno() === constants.errno.EAGAIN) return null
  check(length, 'recvmsg')
  const local = Buffer.from(control.subarray(controlDataAt, controlDataAt + infoSize))
  // the way back is the routes' affair, but for link-local addresses, which mean nothing without their link
  if (local[0] !== 0xfe) local.writeUInt32LE(0, 16)
  return { data: Buffer.from(payload.subarray(0, length)), route: { client: Buffer.from(address), local } }
}

/** Sends from where the client's datagram had come to. Throws SyscallError. */
export function sendDatagram(fd: Fd, data: Buffer, { client, local }: Route): void {
  client.copy(address)
  control.fill(0)
  control.writeBigUInt64LE(BigInt(controlDataAt + infoSize), 0)
  control.writeInt32LE(IPPROTO_IPV6, 8)
  control.writeInt32LE(IPV6_PKTINFO, 12)
  local.copy(control, controlDataAt)
  describe(data, data.length)
  check(nativeSend(fd.number, message, MSG_DONTWAIT), 'sendmsg')
}

/** The client's address, `2001:db8::1` or `::ffff:192.0.2.1`. */
export function clientAddress({ client }: Route): string {
  const words = Array.from({ length: 8 }, (_, index) => client.readUInt16BE(addressAt + 2 * index))
  const isMapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff
  if (isMapped) return `::ffff:${client.subarray(addressAt + 12, addressAt + 16).join('.')}`
  return words.map((word) => word.toString(16)).join(':')
}
