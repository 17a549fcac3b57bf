/**
 * Datagrams for sockets that get thousands of them a second: many are taken by one call (recvmmsg(2)), and no object but the
 * payload and its sender's address is made for each. Synchronous; nothing here waits.
 */
import { constants } from 'node:os'
import { MSG_DONTWAIT, MSG_TRUNC } from './constants/socket.ts'
import { SyscallError } from './errno.ts'
import type { Fd } from './fd.ts'
import { declare, koffi, lastErrno } from './libc.ts'

const nativeReceive = declare<[number, Buffer, number, number, null], number>(
  'int recvmmsg(int, void *, unsigned int, int, void *)',
)
const nativeSend = declare<[number, Buffer, number, number, Buffer | null, number], number>(
  'long sendto(int, const void *, size_t, int, const void *, uint32_t)',
)

export interface Datagram {
  readonly data: Buffer
  /** struct sockaddr_in or sockaddr_in6, to be given back with an answer. */
  readonly from: Buffer
}

/**
 * The most that is taken at once: few, so that who watches several sockets gets to each of them soon, however much waits at one.
 */
const atOnce = 8
/** Bytes; longer ones are dropped. */
const longest = 4096

/** struct sockaddr_in6, iovec and mmsghdr of a 64-bit machine; sizes and places in bytes. */
const addressSize = 28
const iovecSize = 16
const headerSize = 64
const addressLengthAt = 8
const flagsAt = 48
const lengthAt = 56
const portAt = 2

/** Shared by all sockets, as each batch is copied out before the next. */
const payloads = Buffer.alloc(atOnce * longest)
const addresses = Buffer.alloc(atOnce * addressSize)
const iovecs = Buffer.alloc(atOnce * iovecSize)
const headers = Buffer.alloc(atOnce * headerSize)

function describe(index: number): void {
  const iovec = index * iovecSize
  iovecs.writeBigUInt64LE(placeOf(payloads, index * longest), iovec)
  iovecs.writeBigUInt64LE(BigInt(longest), iovec + 8)
  const header = index * headerSize
  headers.writeBigUInt64LE(placeOf(addresses, index * addressSize), header)
  headers.writeBigUInt64LE(placeOf(iovecs, iovec), header + 16)
  headers.writeBigUInt64LE(1n, header + 24)
}

function placeOf(buffer: Buffer, offset: number): bigint {
  return BigInt(koffi.address(buffer)) + BigInt(offset)
}

for (let index = 0; index < atOnce; index++) describe(index)

/**
 * The next datagrams that wait, none when none do. Throws SyscallError, e.g. ECONNREFUSED of a connected socket at whose other end
 * nobody listens.
 */
export function receiveDatagrams(fd: Fd): Datagram[] {
  for (let index = 0; index < atOnce; index++) {
    headers.writeUInt32LE(addressSize, index * headerSize + addressLengthAt)
  }
  const count = nativeReceive(fd.number, headers, atOnce, MSG_DONTWAIT, null)
  if (count >= 0) return copyOut(count)
  const errno = lastErrno()
  if (errno === constants.errno.EAGAIN) return []
  throw new SyscallError('recvmmsg', errno)
}

function copyOut(count: number): Datagram[] {
  const datagrams: Datagram[] = []
  for (let index = 0; index < count; index++) {
    const header = index * headerSize
    if ((headers.readInt32LE(header + flagsAt) & MSG_TRUNC) !== 0) continue
    const length = headers.readUInt32LE(header + lengthAt)
    datagrams.push({
      data: cut(payloads, index * longest, length),
      from: cut(addresses, index * addressSize, addressSize),
    })
  }
  return datagrams
}

/** A copy, without the view that `subarray` would make first. */
function cut(buffer: Buffer, start: number, length: number): Buffer {
  const part = Buffer.allocUnsafe(length)
  buffer.copy(part, 0, start, start + length)
  return part
}

/**
 * Sends to an address that a datagram came from, or with null to the other end of a connected socket. What the kernel has no room
 * for is lost, as it might be on its way. Throws SyscallError.
 */
export function sendDatagramTo(fd: Fd, data: Buffer, to: Buffer | null): void {
  const sent = nativeSend(fd.number, data, data.length, MSG_DONTWAIT, to, to === null ? 0 : to.length)
  if (sent >= 0) return
  const errno = lastErrno()
  if (errno !== constants.errno.EAGAIN) throw new SyscallError('sendto', errno)
}

/** The port in an address that a datagram came from. */
export function portOf(from: Buffer): number {
  return from.readUInt16BE(portAt)
}
