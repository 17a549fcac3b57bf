/**
 * A DHCP client for one interface (RFC 2131, section 4.4).
 *
 *   acquire:  DISCOVER -> OFFER, REQUEST -> ACK                     lease
 *   resume:   REQUEST with the address from before -> ACK           lease
 *   then      T1: REQUEST to its server -> ACK                      renewed
 *             T2: REQUEST to everybody -> ACK                       renewed
 *             NAK, or run out: from the beginning, until there is a server again
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { TsnetError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import type { LeasedLink, LinkLease } from '../ipam.ts'
import { type Answer, Conversation, type Question } from './conversation.ts'

/** How long whoever starts a container waits for a server, in milliseconds. */
const patience = 8000
const discoverPauses = [1000, 2000, 4000]
const requestPauses = [1000, 1000, 2000]
const refusalPause = 1000
/** RFC 2131, section 4.4.5: no oftener than once a minute while a lease still holds. */
const renewPause = 60_000

interface Held extends Answer {
  /** performance.now() of the question that the server has answered */
  readonly since: number
}

const noAddress = { address: '', requested: '', serverId: '' }
const nothing: LinkLease = { address4: '', gateway4: '', nameServers: [] }

export class DhcpClient {
  readonly #link: LeasedLink
  readonly #log: Logger
  readonly #changed: (lease: LinkLease) => void
  readonly #conversation: Conversation
  #held: Held | null = null

  /** `changed` is called for each later change, not for what `acquire` returns. */
  constructor(link: LeasedLink, log: Logger, changed: (lease: LinkLease) => void) {
    this.#link = link
    this.#log = log
    this.#changed = changed
    const { netns, interfaceName, hostname, owner } = link
    // RFC 4361 has no type for ids of one's own making; 0 is for what is no hardware address (RFC 2132, 9.14).
    const clientId = Buffer.concat([Buffer.from([0]), Buffer.from(owner.slice(0, 32), 'hex')])
    this.#conversation = new Conversation({ netns, interfaceName, hostname, clientId })
  }

  get lease(): LinkLease {
    return this.#held === null ? nothing : leaseOf(this.#held)
  }

  /** Throws kind 'unavailable' when no server gives an address in time. */
  async acquire(): Promise<LinkLease> {
    const held = await this.#discover(bare(this.#link.before), performance.now() + patience)
    if (held === null) throw this.#noServer()
    this.#held = held
    this.#maintain(held)
    return leaseOf(held)
  }

  #noServer(): TsnetError {
    const { interfaceName, network } = this.#link
    return new TsnetError(
      'unavailable',
      'no-dhcp-server',
      `no DHCP server gave an address to interface ${interfaceName} on network ${network} within ${patience / 1000} seconds: ` +
        'is there one in the network that its parent or bridge leads to?',
    )
  }

  /** Asks whether the address from before may be kept. Until somebody answers it is. */
  resume(): void {
    this.#inBackground(async () => {
      const question = { ...noAddress, type: 'request' as const, requested: bare(this.#link.before) }
      for (;;) {
        const since = performance.now()
        const answer = await this.#conversation.ask(question, ['ack', 'nak'], requestPauses)
        if (answer !== null) return this.#settle(answer, since)
        await this.#pause(renewPause)
      }
    })
  }

  /** Gives the lease back and ends. */
  release(): void {
    const held = this.#held
    this.#held = null
    try {
      if (held !== null) {
        const message = {
          type: 'release' as const,
          address: bare(held.address),
          requested: '',
          serverId: held.serverId,
        }
        this.#conversation.tell(message, { mac: held.from, address: held.serverId })
      }
    } catch (error) {
      // The interface may be gone; the server lets the lease run out.
      this.#log.debug({ err: error, network: this.#link.network }, 'a DHCP lease could not be given back')
    } finally {
      this.#conversation.close()
    }
  }

  /** Ends; the lease stays with its server. */
  stop(): void {
    this.#conversation.close()
  }

  /** From the beginning; null when there is no lease before `deadline`. */
  async #discover(wish: string, deadline: number): Promise<Held | null> {
    const left = (): number => deadline - performance.now()
    while (left() > 0) {
      const discover = { ...noAddress, type: 'discover' as const, requested: wish }
      const offer = await this.#conversation.ask(discover, ['offer'], within(discoverPauses, left()))
      if (offer === null) continue
      const since = performance.now()
      const request = {
        ...noAddress,
        type: 'request' as const,
        requested: bare(offer.address),
        serverId: offer.serverId,
      }
      const answer = await this.#conversation.ask(request, ['ack', 'nak'], within(requestPauses, left()))
      if (answer?.type === 'ack') return { ...answer, since }
      // a server that refuses what it has just offered may do so for ever
      if (answer !== null) await this.#pause(Math.min(refusalPause, Math.max(left(), 0)))
    }
    return null
  }

  /** What follows from the answer to a request. */
  async #settle(answer: Answer, since: number): Promise<void> {
    if (answer.type === 'nak') return this.#startAgain()
    this.#hold({ ...answer, since })
  }

  #hold(held: Held): void {
    const before = JSON.stringify(this.#held === null ? null : leaseOf(this.#held))
    this.#held = held
    if (JSON.stringify(leaseOf(held)) !== before) this.#changed(leaseOf(held))
    this.#maintain(held)
  }

  /** The address must not be used any more. That is told only when there is no other at once: who has one is moved to it. */
  async #startAgain(): Promise<void> {
    this.#log.info({ network: this.#link.network }, 'a DHCP lease is lost')
    const wasHeld = this.#held
    this.#held = null
    let held = await this.#discover('', performance.now() + patience)
    if (held === null) this.#changed(nothing)
    while (held === null) {
      await this.#pause(patience)
      held = await this.#discover('', performance.now() + patience)
    }
    this.#held = wasHeld
    this.#hold(held)
  }

  #maintain(held: Held): void {
    this.#inBackground(async () => {
      const at = (seconds: number): number => held.since + seconds * 1000
      const server = { mac: held.from, address: held.serverId }
      const question = { ...noAddress, type: 'request' as const, address: bare(held.address) }
      await this.#until(at(held.renewalTime))
      const renewed =
        (await this.#renew(question, at(held.rebindingTime), server)) ??
        (await this.#renew(question, at(held.leaseTime)))
      if (renewed === null) await this.#startAgain()
      else await this.#settle(renewed.answer, renewed.since)
    })
  }

  /** Asks one server, or all, until one answers; null when none has by `end`. */
  async #renew(
    question: Question,
    end: number,
    server?: { mac: string; address: string },
  ): Promise<{ answer: Answer; since: number } | null> {
    while (performance.now() < end) {
      const since = performance.now()
      const pauses = within(requestPauses, end - since)
      const answer = await this.#conversation.ask(question, ['ack', 'nak'], pauses, server)
      if (answer !== null) return { answer, since }
      // half of the time that is left, as the RFC has it
      const next = Math.max(renewPause, (end - performance.now()) / 2)
      await this.#until(Math.min(end, performance.now() + next))
    }
    return null
  }

  /** Timers hold no more than 2 ** 31 milliseconds, leases may last for ever. */
  async #until(time: number): Promise<void> {
    for (let left = time - performance.now(); left > 0; left = time - performance.now()) {
      await this.#pause(Math.min(left, 2 ** 31 - 1))
    }
  }

  async #pause(milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, { signal: this.#conversation.signal, ref: false })
  }

  #inBackground(work: () => Promise<void>): void {
    work().catch((error: unknown) => {
      if (this.#conversation.signal.aborted) return
      this.#log.warn({ err: error, network: this.#link.network }, 'a DHCP lease is no longer renewed')
    })
  }
}

/** The pauses as far as they fit into the time that is left; at least one. */
function within(pauses: readonly number[], left: number): number[] {
  const fitting: number[] = []
  let rest = Math.max(left, 1)
  for (const pause of pauses) {
    if (rest <= 0) break
    fitting.push(Math.min(pause, rest))
    rest -= pause
  }
  return fitting
}

function bare(address: string): string {
  return address.split('/', 1)[0] ?? ''
}

function leaseOf({ address, router, nameServers }: Answer): LinkLease {
  return { address4: address, gateway4: router, nameServers }
}
