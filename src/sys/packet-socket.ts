/** Packet sockets (packet(7)) that only send: whole Ethernet frames, out of one link. */
import { AF_PACKET } from './constants/if_packet.ts'
import { SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_RAW } from './constants/socket.ts'
import { Fd } from './fd.ts'
import { i32, struct, u8, u16, u16be, u32 } from './layout.ts'
import { check, declare, libc } from './libc.ts'

const nativeSocket = declare<[number, number, number], number>('int socket(int, int, int)')
const sendtoPrototype = 'long sendto(int, const void *, size_t, int, const void *, uint32_t)'
const nativeSendto = declare<[number, Buffer, number, number, Buffer, number], number>(sendtoPrototype)
let nativeSendtoAsync: ReturnType<typeof libc.func> | null = null

export const sockaddr_ll = struct({
  family: u16,
  protocol: u16be,
  ifindex: i32,
  hatype: u16,
  pkttype: u8,
  halen: u8,
  _addr1: u32,
  _addr2: u32,
})

/** In the thread's present network namespace, where it stays. Without a protocol it receives nothing. */
export function openPacketSocket(): Fd {
  return new Fd(
    check(nativeSocket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), 'socket', 'AF_PACKET'),
  )
}

/** Sends a frame, from its hardware addresses on, out of the link `index`; `protocol` is its EtherType. */
export function sendFrame(socket: Fd, index: number, protocol: number, frame: Buffer): void {
  const to = sockaddr_ll.encode({ family: AF_PACKET, protocol, ifindex: index })
  const sent = nativeSendto(socket.number, frame, frame.length, 0, to, to.length)
  check(sent, 'sendto', `link ${index}`)
}

/** As `sendFrame`, but on a thread of the pool: a bridge hands a broadcast frame to all its ports within the call. */
export async function sendFrameSoon(
  socket: Fd,
  index: number,
  protocol: number,
  frame: Buffer,
): Promise<void> {
  const to = sockaddr_ll.encode({ family: AF_PACKET, protocol, ifindex: index })
  nativeSendtoAsync ??= libc.func(sendtoPrototype)
  const { async: sendto } = nativeSendtoAsync
  const done = Promise.withResolvers<number>()
  sendto(socket.number, frame, frame.length, 0, to, to.length, (_error: unknown, sent: number) =>
    done.resolve(sent),
  )
  check(await done.promise, 'sendto', `link ${index}`)
}
