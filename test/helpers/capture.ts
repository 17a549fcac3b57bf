/** What passes a link, as a packet socket sees it (packet(7)). */
import { setTimeout as sleep } from 'node:timers/promises'
import { getLink } from '../../src/netlink/link.ts'
import { openRouteSocket } from '../../src/netlink/socket.ts'
import { AF_PACKET } from '../../src/sys/constants/if_packet.ts'
import { MSG_DONTWAIT } from '../../src/sys/constants/socket.ts'
import type { Fd } from '../../src/sys/fd.ts'
import { check, declare } from '../../src/sys/libc.ts'
import { inNetns } from '../../src/sys/netns.ts'
import { openPacketSocket, sockaddr_ll } from '../../src/sys/packet-socket.ts'

const nativeBind = declare<[number, Buffer, number], number>('int bind(int, const void *, uint32_t)')
const nativeRecv = declare<[number, Buffer, number, number], number>('long recv(int, void *, size_t, int)')

/** ETH_P_ALL of <linux/if_ether.h>: frames of every kind, both ways. */
const allProtocols = 3

const buffer = Buffer.alloc(64 * 1024)

export class Capture implements Disposable {
  readonly #socket: Fd
  readonly #frames: Buffer[] = []
  readonly #timer: NodeJS.Timeout

  constructor(netns: Fd, link: string) {
    this.#socket = inNetns(netns, () => listenOn(link))
    this.#timer = setInterval(() => this.#read(), 5)
  }

  /** All whole frames so far, from their hardware addresses on. */
  async frames(): Promise<readonly Buffer[]> {
    // what is under way
    await sleep(50)
    this.#read()
    return this.#frames
  }

  #read(): void {
    for (;;) {
      const length = nativeRecv(this.#socket.number, buffer, buffer.length, MSG_DONTWAIT)
      if (length < 0) return
      this.#frames.push(Buffer.from(buffer.subarray(0, length)))
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
    this.#socket.close()
  }
}

function listenOn(link: string): Fd {
  using route = openRouteSocket()
  const { index } = getLink(route, link)
  const socket = openPacketSocket()
  const address = sockaddr_ll.encode({ family: AF_PACKET, protocol: allProtocols, ifindex: index })
  check(nativeBind(socket.number, address, address.length), 'bind', link)
  return socket
}
