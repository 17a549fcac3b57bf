/** Netlink sockets (netlink(7)): the system calls alone. What is said over them is in src/netlink/. */
import { isMainThread } from 'node:worker_threads'
import { NETLINK_ADD_MEMBERSHIP, NETLINK_DROP_MEMBERSHIP, SOL_NETLINK } from './constants/netlink.ts'
import { AF_NETLINK, MSG_DONTWAIT, MSG_TRUNC, SOCK_CLOEXEC, SOCK_RAW } from './constants/socket.ts'
import { errnoName, SyscallError } from './errno.ts'
import { Fd } from './fd.ts'
import { struct, u16, u32 } from './layout.ts'
import { check, declare, lastErrno, libc } from './libc.ts'

const nativeSocket = declare<[number, number, number], number>('int socket(int, int, int)')
const nativeBind = declare<[number, Buffer, number], number>('int bind(int, const void *, uint32_t)')
const sendPrototype = 'long send(int, const void *, size_t, int)'
const nativeSend = declare<[number, Buffer, number, number], number>(sendPrototype)
const nativeRecv = declare<[number, Buffer, number, number], number>('long recv(int, void *, size_t, int)')
const nativeSetsockopt = declare<[number, number, number, Buffer, number], number>(
  'int setsockopt(int, int, int, const void *, uint32_t)',
)
const nativeGetsockname = declare<[number, Buffer, Buffer], number>(
  'int getsockname(int, void *, uint32_t *)',
)

let nativeSendAsync: ReturnType<typeof libc.func> | null = null

export const sockaddr_nl = struct({ family: u16, _pad: u16, pid: u32, groups: u32 })

/**
 * Shared by all sockets, as nothing here waits. The kernel fills a dump's datagrams up to 32 KiB (netlink_dump() in
 * net/netlink/af_netlink.c), and single messages stay below that.
 */
const receiveBuffer = Buffer.alloc(64 * 1024)

/** A netlink socket of a protocol (NETLINK_ROUTE …) in the thread's present network namespace, where it stays. */
export function openNetlinkSocket(protocol: number): Fd {
  const number = check(nativeSocket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), 'socket', 'AF_NETLINK')
  const socket = new Fd(number)
  try {
    const address = sockaddr_nl.encode({ family: AF_NETLINK })
    check(nativeBind(number, address, address.length), 'bind', 'AF_NETLINK')
    return socket
  } catch (error) {
    socket.close()
    throw error
  }
}

/** A netlink socket's address (nl_pid): what notifications of its doings name as their sender. */
export function netlinkPort(descriptor: number): number {
  const address = Buffer.alloc(sockaddr_nl.size)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(address.length)
  check(nativeGetsockname(descriptor, address, length), 'getsockname', 'of a netlink socket')
  return sockaddr_nl.decode(address).pid
}

/** setsockopt(2) at level SOL_NETLINK. */
export function setNetlinkOption(socket: Fd, option: number, value: number): void {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  const result = nativeSetsockopt(socket.number, SOL_NETLINK, option, bytes, bytes.length)
  check(result, 'setsockopt', `SOL_NETLINK ${option}`)
}

/** Subscribes to a multicast group, such as RTNLGRP_LINK. */
export function joinNetlinkGroup(socket: Fd, group: number): void {
  setNetlinkOption(socket, NETLINK_ADD_MEMBERSHIP, group)
}

/** Ends what `joinNetlinkGroup` began. What has been received stays. */
export function leaveNetlinkGroup(socket: Fd, group: number): void {
  setNetlinkOption(socket, NETLINK_DROP_MEMBERSHIP, group)
}

/** The kernel works on a request within this call: when it returns, the answer waits in the socket. */
export function sendNetlink(socket: Fd, datagram: Buffer): void {
  check(nativeSend(socket.number, datagram, datagram.length, 0), 'send', 'on a netlink socket')
}

/**
 * As `sendNetlink`, but the kernel works on a thread of the pool while the event loop goes on. In a worker, which may be ended at any time,
 * it works at once: koffi takes the process down when a call comes back to a thread that is no more.
 */
export async function sendNetlinkInBackground(socket: Fd, datagram: Buffer): Promise<void> {
  if (!isMainThread) return sendNetlink(socket, datagram)
  nativeSendAsync ??= libc.func(sendPrototype)
  const { async: send } = nativeSendAsync
  return new Promise((resolve, reject) => {
    send(socket.number, datagram, datagram.length, 0, (error: unknown, result: number) => {
      if (error !== null && error !== undefined) reject(error)
      else if (result < 0) reject(new SyscallError('send', lastErrno(), 'on a netlink socket'))
      else resolve()
    })
  })
}

/** The next datagram, or null when none waits: never blocks. Throws SyscallError, ENOBUFS when the kernel dropped some. */
export function receiveNetlink(socket: Fd): Buffer | null {
  const length = nativeRecv(socket.number, receiveBuffer, receiveBuffer.length, MSG_DONTWAIT | MSG_TRUNC)
  if (length < 0) {
    const errno = lastErrno()
    if (errnoName(errno) === 'EAGAIN') return null
    throw new SyscallError('recv', errno, 'on a netlink socket')
  }
  if (length > receiveBuffer.length) {
    throw new RangeError(
      `netlink datagram of ${length} bytes, longer than the ${receiveBuffer.length} expected`,
    )
  }
  return Buffer.from(receiveBuffer.subarray(0, length))
}
