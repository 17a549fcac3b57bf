/**
 * Names in egress policies: the addresses that answered a container's question may be reached by it for as long as the answer holds.
 * Lives in the daemon's memory; after its restart an address is allowed again by the next answer.
 */
import { errorMessage } from '../errors.ts'
import { familyOf } from '../firewall/egress.ts'
import type { Firewall } from '../firewall/firewall.ts'
import { type AllowRule, ruleKey } from '../firewall/rules.ts'
import type { Logger } from '../log.ts'
import type { ContainerRecord, EgressEntry } from '../store/records.ts'
import { containsIp, parseCidr } from '../values/cidr.ts'
import type { ContainerId } from '../values/id.ts'

/** Milliseconds after an answer's TTL in which a client may still begin a connection with what it has read there. */
const grace = 5000
/** Addresses and ports that one container holds at most: who is allowed all names below a domain may ask for many. */
const most = 4096
/** Milliseconds: the longest that a timer takes. */
const longestDelay = 2 ** 31 - 1

/** An address that a name was answered with, and the port there. */
interface Grant extends Pick<EgressEntry, 'protocol' | 'port'> {
  readonly name: string
  readonly address: string
  /** on the clock of performance.now */
  readonly until: number
}

interface Held {
  container: ContainerRecord
  readonly grants: Map<string, Grant>
  /** The rules that the grants have come to, by their keys. */
  standing: ReadonlyMap<string, AllowRule>
}

export interface EgressGrantsOptions {
  readonly firewall: Pick<Firewall, 'apply'>
  readonly log: Logger
  /** Whether an entry stands for a name. */
  readonly allowsName: (entry: EgressEntry, name: string) => boolean
  readonly sendersOf: (
    container: ContainerRecord,
  ) => readonly Omit<AllowRule, 'kind' | 'destination' | 'protocol' | 'port'>[]
}

export class EgressGrants {
  readonly #options: EgressGrantsOptions
  readonly #held = new Map<string, Held>()
  #timer: NodeJS.Timeout | undefined

  constructor(options: EgressGrantsOptions) {
    this.#options = options
  }

  /** Does nothing for a container without a policy. Its interfaces must be there. */
  open(container: ContainerRecord): void {
    if (container.spec.egress === null) return
    this.#held.set(container.id, { container, grants: new Map(), standing: new Map() })
  }

  /** Forgets the container and takes its rules away. Safe to repeat. */
  async close(id: ContainerId): Promise<void> {
    const held = this.#held.get(id)
    this.#held.delete(id)
    held?.grants.clear()
    if (held !== undefined) await this.#apply(held, [])
  }

  /** Lets the container reach `addresses`, at the ports that its policy says, for `ttl` seconds. Resolves when it may. */
  async grant(id: string, name: string, addresses: readonly string[], ttl: number): Promise<void> {
    const held = this.#held.get(id)
    if (held === undefined) return
    const entries = held.container.spec.egress ?? []
    const until = performance.now() + ttl * 1000 + grace
    for (const entry of entries.filter((one) => this.#options.allowsName(one, name))) {
      for (const address of addresses)
        if (!isCovered(entries, entry, address)) hold(held, name, entry, address, until)
    }
    await this.#settle(held)
    this.#plan()
  }

  /** To be called with the container's record when its endpoints or its policy, which it keeps, have changed. */
  async follow(container: ContainerRecord): Promise<void> {
    const held = this.#held.get(container.id)
    if (held === undefined) return
    held.container = container
    for (const [key, grant] of held.grants) if (!this.#isAllowed(container, grant)) held.grants.delete(key)
    await this.#settle(held)
  }

  #isAllowed({ spec }: ContainerRecord, { name, protocol, port }: Grant): boolean {
    return (spec.egress ?? []).some(
      (entry) => entry.protocol === protocol && entry.port === port && this.#options.allowsName(entry, name),
    )
  }

  /** Makes the rules what the grants and the container's interfaces say. */
  #settle(held: Held): Promise<void> {
    const senders = this.#options.sendersOf(held.container)
    const rules = [...held.grants.values()].flatMap(({ address, protocol, port }) =>
      senders
        .filter(({ family }) => family === familyOf(address))
        .map((sender): AllowRule => {
          const destination = `${address}/${sender.family === 4 ? 32 : 128}`
          return { ...sender, kind: 'allow', destination, protocol, port }
        }),
    )
    return this.#apply(held, rules)
  }

  async #apply(held: Held, rules: readonly AllowRule[]): Promise<void> {
    const before = held.standing
    const wanted = new Map(rules.map((rule) => [ruleKey(rule), rule]))
    held.standing = wanted
    // those that stand are named again: they may be on their way into the kernel, and the answer has to wait for them
    const remove = [...before].filter(([key]) => !wanted.has(key)).map(([, rule]) => rule)
    try {
      if (rules.length + remove.length > 0) await this.#options.firewall.apply({ add: rules, remove })
    } catch (error) {
      held.standing = new Map([...before, ...wanted])
      throw error
    }
  }

  /** One timer for all, at the earliest end. */
  #plan(): void {
    clearTimeout(this.#timer)
    const ends = [...this.#held.values()].flatMap(({ grants }) =>
      [...grants.values()].map(({ until }) => until),
    )
    if (ends.length === 0) return
    const delay = Math.max(0, ends.reduce((a, b) => Math.min(a, b)) - performance.now())
    this.#timer = setTimeout(() => void this.#expire(), Math.min(delay + 1, longestDelay)).unref()
  }

  async #expire(): Promise<void> {
    const now = performance.now()
    for (const [id, held] of this.#held) {
      const ended = [...held.grants].filter(([, { until }]) => until <= now)
      if (ended.length === 0) continue
      for (const [key] of ended) held.grants.delete(key)
      await this.#settle(held).catch((error: unknown) => {
        this.#options.log.error({ container: id, error: errorMessage(error) }, 'old addresses stay allowed')
      })
    }
    this.#plan()
  }
}

/** Renews what is held already, and makes room for what is not: the first to end goes. */
function hold(
  { grants }: Held,
  name: string,
  { protocol, port }: EgressEntry,
  address: string,
  until: number,
): void {
  const key = `${name} ${address} ${protocol} ${port}`
  const before = grants.get(key)
  grants.set(key, { name, address, protocol, port, until: Math.max(until, before?.until ?? 0) })
  if (grants.size <= most) return
  const [first = ''] = [...grants].reduce((a, b) => (b[1].until < a[1].until ? b : a))
  grants.delete(first)
}

/** Whether the address may be reached there at all times. */
function isCovered(
  entries: readonly EgressEntry[],
  { protocol, port }: EgressEntry,
  address: string,
): boolean {
  return entries.some(
    (other) =>
      other.to.includes('/') &&
      other.protocol === protocol &&
      other.port === port &&
      containsIp(parseCidr(other.to), address),
  )
}
