/** One upstream name server: shared UDP sockets to it, TCP where an answer does not fit. */
import { randomInt } from 'node:crypto'
import type { Fd } from '../sys/fd.ts'
import { isFormatError, isTruncated } from './answer.ts'
import type { Query } from './message.ts'
import { askByTcp } from './tcp-client.ts'
import { type Asked, type Heard, UdpClient } from './udp-client.ts'

/** Several random source ports, so that a forged answer has to guess port and id. */
const socketsPerServer = 4
/** milliseconds without a query after which the sockets are closed */
const idleTime = 60_000
/** milliseconds for a query by TCP */
const tcpTime = 2000
/** milliseconds for which a server that kept silent is asked after the others */
const silencePenalty = 10_000

export class Upstream {
  readonly address: string
  readonly #sockets = new Map<number, UdpClient>()
  #silentUntil = 0
  #idle: NodeJS.Timeout | undefined

  readonly #netns: Fd | null

  /** `address` may carry a zone, as link-local ones do. It is asked from `netns`, or from the daemon's own namespace. */
  constructor(address: string, netns: Fd | null) {
    this.address = address
    this.#netns = netns
  }

  /** Whether the server let a query go unanswered lately. */
  get isSilent(): boolean {
    return performance.now() < this.#silentUntil
  }

  noteSilence(): void {
    this.#silentUntil = performance.now() + silencePenalty
  }

  /**
   * Tells the server's whole answer, or a truncated one where TCP does not get through; null when the server cannot be reached, in
   * this turn already or later. One that takes EDNS for an error is asked again without.
   */
  ask(query: Query, heard: Heard): Asked {
    let byTcp: AbortController | null = null
    let plain: Asked | null = null
    const receive = (answer: Buffer | null): void => {
      if (answer !== null) this.#silentUntil = 0
      if (answer !== null && query.edns !== null && isFormatError(answer)) {
        plain = this.ask({ ...query, edns: null }, heard)
        return
      }
      if (answer === null || !isTruncated(answer)) {
        heard(answer)
        return
      }
      byTcp = new AbortController()
      void this.#askByTcp(query, byTcp.signal).then(
        (whole) => heard(whole),
        () => heard(answer),
      )
    }
    const byUdp = this.#askByUdp(query, receive)
    return {
      cancel: () => {
        byUdp?.cancel()
        plain?.cancel()
        byTcp?.abort()
      },
    }
  }

  #askByUdp(query: Query, heard: Heard): Asked | null {
    try {
      return this.#socket().ask(query, heard)
    } catch {
      heard(null)
      return null
    }
  }

  #askByTcp(query: Query, signal: AbortSignal): Promise<Buffer> {
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(tcpTime)])
    return askByTcp(this.address, this.#netns, query, inTime)
  }

  close(): void {
    clearTimeout(this.#idle)
    for (const socket of this.#sockets.values()) socket.close()
    this.#sockets.clear()
  }

  #socket(): UdpClient {
    this.#idle ??= setTimeout(() => this.#closeIdle(), idleTime).unref()
    this.#idle.refresh()
    const index = randomInt(socketsPerServer)
    const socket = this.#sockets.get(index) ?? new UdpClient(this.address, this.#netns)
    this.#sockets.set(index, socket)
    return socket
  }

  #closeIdle(): void {
    this.#idle = undefined
    this.close()
  }
}
