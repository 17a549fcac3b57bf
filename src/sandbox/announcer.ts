import type { Fd } from '../sys/fd.ts'
import { inNetns, openNetns } from '../sys/netns.ts'
import { openPacketSocket, sendFrameSoon } from '../sys/packet-socket.ts'
import { announcementOf } from '../values/announcement.ts'
import type { Sandbox } from './sandbox.ts'

export interface AnnouncedInterface {
  /** Its index in the sandbox. */
  readonly index: number
  readonly mac: string
  /** With prefix length; '' is skipped. */
  readonly addresses: readonly string[]
}

/**
 * Tells the neighbours of new interfaces that addresses which they may know from before are at another hardware address now: gratuitous ARP
 * and unsolicited neighbour advertisements. Between two of them no descriptor keeps the sandbox's namespace alive.
 */
export class Announcer {
  readonly #timers = new Map<string, NodeJS.Timeout>()

  /** `times` in all, the first after `delay` and each other `interval` milliseconds later, until `stop` is called with the endpoint's id. */
  announce(
    sandbox: Sandbox,
    endpoint: string,
    what: AnnouncedInterface,
    { times, interval, delay = 0 }: { times: number; interval: number; delay?: number },
  ): void {
    let left = times
    const wait = (milliseconds: number): void => {
      if (left > 0) this.#timers.set(endpoint, setTimeout(next, milliseconds).unref())
      else this.stop(endpoint)
    }
    const next = (): void => {
      left--
      if (announceIn(sandbox.path, what)) wait(interval)
      else this.stop(endpoint)
    }
    if (delay === 0 && times > 0) {
      announceOnce(sandbox.netns, what)
      left--
    }
    wait(delay === 0 ? interval : delay)
  }

  /** The endpoint is going to be detached. */
  stop(endpoint: string): void {
    clearTimeout(this.#timers.get(endpoint))
    this.#timers.delete(endpoint)
  }
}

/** False when the sandbox is gone: then there is nothing to tell. */
function announceIn(path: string, what: AnnouncedInterface): boolean {
  try {
    using netns = openNetns(path)
    announceOnce(netns, what)
    return true
  } catch {
    return false
  }
}

/** One announcement after another: a frame to hundreds of ports keeps a processor busy for milliseconds. */
let sending: Promise<void> = Promise.resolve()

/** The frames are on their way within a moment; nothing waits for them. */
function announceOnce(netns: Fd, what: AnnouncedInterface): void {
  const socket = inNetns(netns, openPacketSocket)
  sending = sending.then(() => sendAll(socket, what))
}

async function sendAll(socket: Fd, { index, mac, addresses }: AnnouncedInterface): Promise<void> {
  try {
    for (const cidr of addresses.filter(Boolean)) {
      const { protocol, frame } = announcementOf(cidr, mac)
      await sendFrameSoon(socket, index, protocol, frame)
    }
  } catch {
    // Where the interface is gone, so are its addresses.
  } finally {
    // To close takes some 10 ms (packet_release() in net/packet/af_packet.c).
    socket.closeSoon()
  }
}
