/** What the kernel has of a network's entries beside what it should have. */
import { decodeForwarding, forwardingOf } from '../../netlink/forwarding.ts'
import type { Message } from '../../netlink/message.ts'
import { decodeNeighbour, neighboursOf } from '../../netlink/neighbour.ts'
import { openRouteSocket } from '../../netlink/socket.ts'
import { NUD_PERMANENT } from '../../sys/constants/neighbour.ts'
import type { EntryPlace } from './entries.ts'
import type { EntryChange, PeerTable } from './peer-table.ts'

export interface AuditReport {
  /** Entries that were not there. */
  readonly gone: number
  /** Those that led elsewhere. */
  readonly wrong: number
  /** Those of no endpoint. */
  readonly stale: number
}

/** What is seen of a hardware address: one bit for each table that is right. */
const inBridge = 1
const inPort = 2

/** The entries as they are in the kernel, read without holding up the event loop. */
export class Audit {
  readonly #table: PeerTable
  /** By hardware address. */
  readonly #forwarding = new Map<string, number>()
  /** Hardware addresses that a table leads elsewhere with. */
  readonly #misled = new Set<string>()
  /** By address, whether it leads to the right hardware address. */
  readonly #neighbours = new Map<string, boolean>()

  constructor(table: PeerTable) {
    this.#table = table
  }

  /**
   * Adds what there is to what was read before. The kernel leaves out entries of a table that grows under the reading, be it for another
   * namespace: what one reading does not show, a second one may.
   */
  async read({ port, bridge }: EntryPlace): Promise<void> {
    using socket = openRouteSocket()
    await socket.dumpInTurns(forwardingOf(port), () => (message) => this.#seeForwarding(port, message))
    for (const family of [4, 6] as const) {
      await socket.dumpInTurns(neighboursOf(bridge, family), () => (message) => this.#seeNeighbour(message))
    }
  }

  #seeForwarding(port: number, { body }: Message): void {
    const entry = decodeForwarding(body)
    if (entry.port !== port) return
    // What a bridge has of its port's own address, or would learn, is no concern of anybody.
    if (entry.table === 'bridge' && !entry.fixed) return
    const isRight = entry.table === 'bridge' || (entry.fixed && entry.via === this.#table.hostOf(entry.mac))
    const bit = entry.table === 'bridge' ? inBridge : inPort
    this.#forwarding.set(entry.mac, (this.#forwarding.get(entry.mac) ?? 0) | (isRight ? bit : 0))
    if (!isRight) this.#misled.add(entry.mac)
  }

  #seeNeighbour({ body }: Message): void {
    const { address, mac, state } = decodeNeighbour(body)
    if (state === NUD_PERMANENT) this.#neighbours.set(address, mac === this.#table.macOf(address))
  }

  /** What makes them right, but for keys whose changes wait anyway. Without `isWhole` nothing is known to be of no endpoint. */
  compare(
    waiting: readonly EntryChange[],
    isWhole: boolean,
  ): { changes: EntryChange[]; report: AuditReport } {
    const changing = new Set(waiting.map(keyOf))
    const changes: EntryChange[] = []
    const report = { gone: 0, wrong: 0, stale: 0 }
    for (const entry of this.#table.entries()) {
      const fault = this.#faultOf(entry)
      if (fault === null || changing.has(keyOf(entry))) continue
      report[fault]++
      changes.push(entry)
    }
    const stale = isWhole ? [...this.#unwanted()].filter((entry) => !changing.has(keyOf(entry))) : []
    return { changes: [...stale, ...changes], report: { ...report, stale: stale.length } }
  }

  #faultOf(entry: EntryChange): 'gone' | 'wrong' | null {
    if (entry.kind === 'forwarding') {
      if (this.#forwarding.get(entry.mac) === (inBridge | inPort)) return null
      return this.#misled.has(entry.mac) ? 'wrong' : 'gone'
    }
    const isRight = this.#neighbours.get(entry.address)
    if (isRight === undefined) return 'gone'
    return isRight ? null : 'wrong'
  }

  *#unwanted(): Generator<EntryChange> {
    for (const mac of this.#forwarding.keys())
      if (this.#table.hostOf(mac) === undefined) yield { kind: 'forwarding', mac, via: null }
    for (const address of this.#neighbours.keys())
      if (this.#table.macOf(address) === undefined)
        yield { kind: 'neighbour', address, mac: null, moved: false }
  }
}

function keyOf(change: EntryChange): string {
  return change.kind === 'forwarding' ? change.mac : change.address
}

/** What an audit has found, for people; empty when nothing was wrong. */
export function describeReport({ gone, wrong, stale }: AuditReport): string[] {
  const entries = (count: number): string => (count === 1 ? '1 entry' : `${count} entries`)
  return [
    ...(gone === 0
      ? []
      : [`${entries(gone)} for endpoints of other hosts ${gone === 1 ? 'was' : 'were'} gone`]),
    ...(wrong === 0 ? [] : [`${entries(wrong)} for endpoints of other hosts led elsewhere`]),
    ...(stale === 0 ? [] : [`${entries(stale)} belonged to no endpoint`]),
  ]
}
