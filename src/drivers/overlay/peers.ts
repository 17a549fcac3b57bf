/** The endpoints that other hosts have on a network, from the cluster's word to entries in the kernel. */
import type { Change, Cluster, ClusterEndpoint, Mirror, NodeRecord } from '../../cluster/cluster.ts'
import { errorMessage } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import type { NeighbourWatch } from '../../netlink/events.ts'
import type { NetworkRecord } from '../../store/records.ts'
import type { EndpointId } from '../../values/id.ts'
import { formatIp, parseIp } from '../../values/ip.ts'
import { formatMac, parseMac } from '../../values/mac.ts'
import { Audit, type AuditReport } from './audit.ts'
import { Entries, type EntryPlace } from './entries.ts'
import { type EntryChange, PeerTable, type Place } from './peer-table.ts'
import type { Underlay } from './underlay.ts'

export interface PeersParts {
  readonly cluster: Cluster
  readonly network: NetworkRecord
  readonly log: Logger
  readonly underlay: Underlay
  /** Hears of entries that others change. */
  readonly watch: () => NeighbourWatch | null
  /** The network is to be compared with what it should be. */
  readonly suspect: () => void
}

/** From the network's first use on this host until it is disposed of. */
export class Peers implements Disposable {
  readonly #parts: PeersParts
  readonly #mirror: Mirror<ClusterEndpoint>
  readonly #table = new PeerTable()
  readonly #entries: Entries
  readonly #undo = new DisposableStack()
  /** Hosts of which it was said that they cannot be reached. */
  readonly #refused = new Set<string>()
  /** Endpoints of this host. */
  readonly #own = new Set<EndpointId>()
  #auditing: Promise<unknown> = Promise.resolve()
  #isWhole = false
  /** Whether an earlier daemon has left entries. */
  #inherits = false
  #repaired = 0

  constructor(parts: PeersParts) {
    this.#parts = parts
    this.#entries = new Entries(parts.log, parts.watch, parts.suspect)
    this.#mirror = this.#undo.use(parts.cluster.endpoints(parts.network.id))
    this.#undo.use(this.#mirror.subscribe((changes) => this.#follow(changes)))
    this.#undo.use(parts.cluster.nodes.subscribe((changes) => this.#followNodes(changes)))
    this.#entries.change([...this.#mirror.values.values()].flatMap((one) => this.#changesFor(one.id, one)))
  }

  get table(): PeerTable {
    return this.#table
  }

  get place(): EntryPlace | null {
    return this.#entries.place
  }

  /** The other hosts that have endpoints on the network. */
  hosts(): ReadonlySet<string> {
    const { self } = this.#parts.cluster
    return new Set(
      [...this.#mirror.values.values()].map(({ node }) => node).filter((node) => node !== self.name),
    )
  }

  /** Entries that were put right since the start. */
  get repaired(): number {
    return this.#repaired
  }

  /** Entries belong to these links from now on; to \`fresh\` ones all of them are given. */
  bind(place: EntryPlace, fresh: boolean): void {
    const present = this.#entries.place
    if (!fresh && present?.port === place.port && present.bridge === place.bridge) return
    this.#entries.bind(place)
    this.#inherits ||= present === null && !fresh
    if (!fresh) return
    // This host's own address may be another.
    for (const endpoint of this.#mirror.values.values()) this.#changesFor(endpoint.id, endpoint)
    this.#entries.change([...this.#table.entries()])
  }

  /** Resolves when the cluster has told of all endpoints and all entries are made; rejects with kind 'unavailable' when it does not. */
  async settle(): Promise<void> {
    await Promise.all([this.#mirror.ready(), this.#parts.cluster.nodes.ready()])
    await this.#entries.done()
    if (this.#isWhole) return
    this.#isWhole = true
    if (this.#inherits) await this.#audit()
  }

  /** An endpoint of this host has these: no other host's has them. '' for a hardware address that is not known. */
  claim(id: EndpointId, mac: string, addresses: readonly string[]): void {
    this.#own.add(id)
    this.#entries.change(this.#table.set(id, placeOf(mac, addresses, '')))
  }

  release(id: EndpointId): void {
    if (!this.#own.delete(id)) return
    this.#entries.change(this.#table.set(id, null))
    // The cluster may have told meanwhile that another host has it.
    this.#entries.change(this.#changesFor(id, this.#mirror.values.get(id)))
  }

  /** Compares the kernel's entries with what they should be, makes them so, and tells what was wrong. */
  async audit(): Promise<AuditReport> {
    const { cluster } = this.#parts
    if (!this.#isWhole && cluster.health().state === 'connected') await this.settle().catch(() => {})
    const report = await this.#audit()
    this.#repaired += report.gone + report.wrong + report.stale
    return report
  }

  /** One at a time. */
  #audit(): Promise<AuditReport> {
    const report = this.#auditing.then(() => this.#auditOnce())
    this.#auditing = report.catch(() => {})
    return report
  }

  async #auditOnce(): Promise<AuditReport> {
    const report = await this.#entries.observe(async (place, { changed, hold }) => {
      const audit = new Audit(this.#table)
      await audit.read(place)
      let found = audit.compare(changed, this.#isWhole)
      for (let again = 0; found.report.gone > 0 && again < 2; again++) {
        // Of tables that stood still two readings say all.
        if (again === 1 && changed.length === 0) break
        if (again === 1) await hold()
        await audit.read(place)
        found = audit.compare(changed, this.#isWhole)
      }
      this.#entries.changeNow(found.changes)
      return found.report
    })
    return report ?? { gone: 0, wrong: 0, stale: 0 }
  }

  #follow(changes: readonly Change<ClusterEndpoint>[]): void {
    const entries = changes.flatMap(({ before, value }) => {
      const id = value?.id ?? before?.id
      return id === undefined ? [] : this.#changesFor(id, value)
    })
    this.#entries.change(entries)
  }

  /** A host that is not known any more has no endpoints soon; until then they are where they were. */
  #followNodes(changes: readonly Change<NodeRecord>[]): void {
    const moved = new Set<string>()
    for (const { before, value } of changes) {
      if (value !== undefined && value.address !== before?.address) moved.add(value.name)
    }
    if (moved.size === 0) return
    const theirs = [...this.#mirror.values.values()].filter(({ node }) => moved.has(node))
    this.#entries.change(theirs.flatMap((endpoint) => this.#changesFor(endpoint.id, endpoint)))
  }

  #changesFor(id: EndpointId, endpoint: ClusterEndpoint | undefined): EntryChange[] {
    const { cluster, log, network } = this.#parts
    if (this.#own.has(id)) return []
    try {
      const isGone = endpoint === undefined || endpoint.node === cluster.self.name
      const place = isGone ? null : this.#placeOf(endpoint)
      return place === undefined ? [] : this.#table.set(id, place)
    } catch (error) {
      const message = 'an endpoint of another host cannot be understood'
      log.error({ network: network.name, endpoint: id, err: errorMessage(error) }, message)
      return []
    }
  }

  /** Undefined while its host is not known: what was known of the endpoint stays. */
  #placeOf({ node, mac, address4, address6 }: ClusterEndpoint): Place | null | undefined {
    const host = this.#parts.cluster.nodes.values.get(node)
    if (host === undefined) return undefined
    const via = this.#parts.underlay.addressOf(host)
    if (via === '') return this.#refuse(host)
    this.#refused.delete(node)
    return placeOf(mac, [address4, address6], via)
  }

  #refuse({ name, address }: NodeRecord): null {
    if (!this.#refused.has(name)) {
      const { address: own } = this.#parts.cluster.self
      const message = 'a host cannot be reached, as its address is of another family: give both --advertise'
      this.#parts.log.error({ node: name, address, own, network: this.#parts.network.name }, message)
    }
    this.#refused.add(name)
    return null
  }

  [Symbol.dispose](): void {
    this.#entries.bind(null)
    this.#undo.dispose()
  }
}

/** Addresses may have prefix lengths; '' is skipped. */
function placeOf(mac: string, addresses: readonly string[], via: string): Place {
  const bare = addresses.map((address) => address.split('/', 1)[0]!).filter(Boolean)
  return {
    mac: mac === '' ? '' : inForm(mac, formatMac(parseMac(mac))),
    addresses: bare.map((address) => inForm(address, formatIp(parseIp(address)))),
    via: via === '' ? '' : inForm(via, formatIp(parseIp(via))),
  }
}

/** The text itself where it is in form, as it is in memory once. */
function inForm(text: string, form: string): string {
  return text === form ? text : form
}
