/**
 * Which entries a host needs so that a network's frames find the endpoints of other hosts: hardware address to host, and IP address to
 * hardware address. Two endpoints may claim the same for a moment, while an address changes hands: the later one has it, and when that
 * goes the earlier one has it again. What an endpoint of this host claims needs no entry, and nobody else has it. Pure.
 */

/** Where an endpoint is. */
export interface Place {
  readonly mac: string
  /** Without prefix length. */
  readonly addresses: readonly string[]
  /** The host's underlay address, '' for this host. */
  readonly via: string
}

/** An entry that is to be made, in place of any other of its key, or to be removed. */
export type EntryChange =
  | { readonly kind: 'forwarding'; readonly mac: string; readonly via: string | null }
  | {
      readonly kind: 'neighbour'
      readonly address: string
      readonly mac: string | null
      /** It was known with another hardware address before. */
      readonly moved: boolean
    }

interface Holding {
  /** The endpoint's id. */
  readonly owner: string
  /** What the entry says: the host of a hardware address, or the hardware address of an IP address. */
  readonly value: string
  readonly isLocal: boolean
}

/** So many hardware addresses are remembered that IP addresses had which are nobody's now. */
const mostFormer = 65_536

export class PeerTable {
  readonly #places = new Map<string, Place>()
  readonly #forwarding = new Map<string, Holding>()
  readonly #neighbours = new Map<string, Holding>()
  /** By the endpoint that wants something, the one that has it. */
  readonly #displaced = new Map<string, string>()
  readonly #former = new Map<string, string>()

  /** The host behind which a hardware address is to be, undefined for none. */
  hostOf(mac: string): string | undefined {
    return remoteValue(this.#forwarding.get(mac))
  }

  /** The hardware address that an IP address is to have, undefined for none. */
  macOf(address: string): string | undefined {
    return remoteValue(this.#neighbours.get(address))
  }

  /** Every entry that is to be there. */
  *entries(): Generator<EntryChange> {
    for (const [mac, { value, isLocal }] of this.#forwarding)
      if (!isLocal) yield { kind: 'forwarding', mac, via: value }
    for (const [address, { value, isLocal }] of this.#neighbours)
      if (!isLocal) yield { kind: 'neighbour', address, mac: value, moved: false }
  }

  /** An endpoint is there, or gone (null). Returns what changes. */
  set(id: string, place: Place | null): EntryChange[] {
    const before = this.#places.get(id)
    if (before === undefined && place === null) return []
    if (before !== undefined && place !== null && isSame(before, place)) return []
    if (place === null) this.#places.delete(id)
    else this.#places.set(id, place)
    this.#displaced.delete(id)
    const given = before === undefined ? [] : this.#give(id, before, place)
    const taken = place === null ? [] : this.#claim(id, place, true)
    return [...given, ...this.#restore(id), ...taken]
  }

  /** What the endpoint has and wants no more. */
  #give(id: string, before: Place, place: Place | null): EntryChange[] {
    const changes: EntryChange[] = []
    const forwarding = this.#forwarding.get(before.mac)
    if (forwarding?.owner === id && place?.mac !== before.mac) {
      this.#forwarding.delete(before.mac)
      if (!forwarding.isLocal) changes.push({ kind: 'forwarding', mac: before.mac, via: null })
    }
    for (const address of before.addresses) {
      const neighbour = this.#neighbours.get(address)
      if (neighbour?.owner !== id || place?.addresses.includes(address)) continue
      this.#neighbours.delete(address)
      this.#remember(address, neighbour.value)
      if (!neighbour.isLocal) changes.push({ kind: 'neighbour', address, mac: null, moved: false })
    }
    return changes
  }

  /** Those that this endpoint had displaced take what is free. */
  #restore(id: string): EntryChange[] {
    const losers = [...this.#displaced].filter(([, winner]) => winner === id).map(([loser]) => loser)
    return losers.flatMap((loser) => {
      this.#displaced.delete(loser)
      const place = this.#places.get(loser)
      return place === undefined ? [] : this.#claim(loser, place, false)
    })
  }

  /** With `anyway` also what another endpoint of another host has. */
  #claim(id: string, { mac, addresses, via }: Place, anyway: boolean): EntryChange[] {
    const isLocal = via === ''
    const changes: EntryChange[] = []
    if (mac !== '') {
      const before = this.#forwarding.get(mac)
      if (this.#take(this.#forwarding, mac, { owner: id, value: via, isLocal }, anyway))
        changes.push(...changeOf(before, via, isLocal).map((to) => forwardingChange(mac, to)))
    }
    for (const address of addresses) {
      const before = this.#neighbours.get(address)
      const former = before?.value ?? this.#former.get(address) ?? ''
      if (!this.#take(this.#neighbours, address, { owner: id, value: mac, isLocal }, anyway)) continue
      this.#former.delete(address)
      const moved = former !== '' && former !== mac
      for (const to of changeOf(before, mac, isLocal))
        changes.push({ kind: 'neighbour', address, mac: to, moved: moved && to !== null })
    }
    return changes
  }

  /** False when another endpoint keeps it. */
  #take(holdings: Map<string, Holding>, key: string, wanted: Holding, anyway: boolean): boolean {
    const present = holdings.get(key)
    if (present !== undefined && present.owner !== wanted.owner) {
      if (!anyway || (present.isLocal && !wanted.isLocal)) {
        this.#displaced.set(wanted.owner, present.owner)
        return false
      }
      this.#displaced.set(present.owner, wanted.owner)
    }
    holdings.set(key, wanted)
    return true
  }

  #remember(address: string, mac: string): void {
    if (this.#former.size >= mostFormer) this.#former.delete(this.#former.keys().next().value ?? '')
    if (mac !== '') this.#former.set(address, mac)
  }
}

function isSame(one: Place, other: Place): boolean {
  return one.mac === other.mac && one.via === other.via && one.addresses.join() === other.addresses.join()
}

function remoteValue(holding: Holding | undefined): string | undefined {
  return holding === undefined || holding.isLocal ? undefined : holding.value
}

/** What the entry is to say, null for its removal; nothing when it is right. */
function changeOf(before: Holding | undefined, value: string, isLocal: boolean): (string | null)[] {
  const present = remoteValue(before)
  if (isLocal) return present === undefined ? [] : [null]
  return present === value ? [] : [value]
}

function forwardingChange(mac: string, via: string | null): EntryChange {
  return { kind: 'forwarding', mac, via }
}
