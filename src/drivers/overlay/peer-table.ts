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

/** An endpoint's own record is what it holds: of tens of thousands each further object counts. */
interface Endpoint extends Place {
  readonly id: string
}

/** So many hardware addresses are remembered that IP addresses had which are nobody's now. */
const mostFormer = 65_536

export class PeerTable {
  /** By id. */
  readonly #endpoints = new Map<string, Endpoint>()
  /** Who has a hardware address. */
  readonly #forwarding = new Map<string, Endpoint>()
  /** Who has an IP address. */
  readonly #neighbours = new Map<string, Endpoint>()
  /** By the endpoint that wants something, the one that has it. */
  readonly #displaced = new Map<string, string>()
  readonly #former = new Map<string, string>()

  /** The host behind which a hardware address is to be, undefined for none. */
  hostOf(mac: string): string | undefined {
    return remote(this.#forwarding.get(mac))?.via
  }

  /** The hardware address that an IP address is to have, undefined for none. */
  macOf(address: string): string | undefined {
    return remote(this.#neighbours.get(address))?.mac
  }

  /** Every entry that is to be there. */
  *entries(): Generator<EntryChange> {
    for (const [mac, { via }] of this.#forwarding) if (via !== '') yield { kind: 'forwarding', mac, via }
    for (const [address, { mac, via }] of this.#neighbours)
      if (via !== '') yield { kind: 'neighbour', address, mac, moved: false }
  }

  /** An endpoint is there, or gone (null). Returns what changes. */
  set(id: string, place: Place | null): EntryChange[] {
    const before = this.#endpoints.get(id)
    if (before === undefined && place === null) return []
    if (before !== undefined && place !== null && isSame(before, place)) return []
    const endpoint = place === null ? null : { ...place, id }
    if (endpoint === null) this.#endpoints.delete(id)
    else this.#endpoints.set(id, endpoint)
    this.#displaced.delete(id)
    const given = before === undefined ? [] : this.#give(before, place)
    const taken = endpoint === null ? [] : this.#claim(endpoint, true)
    return [...given, ...this.#restore(id), ...taken]
  }

  /** What the endpoint has and wants no more. */
  #give(before: Endpoint, place: Place | null): EntryChange[] {
    const { id, mac, addresses, via } = before
    const changes: EntryChange[] = []
    if (this.#forwarding.get(mac)?.id === id && place?.mac !== mac) {
      this.#forwarding.delete(mac)
      if (via !== '') changes.push({ kind: 'forwarding', mac, via: null })
    }
    for (const address of addresses) {
      if (this.#neighbours.get(address)?.id !== id || place?.addresses.includes(address)) continue
      this.#neighbours.delete(address)
      this.#remember(address, mac)
      if (via !== '') changes.push({ kind: 'neighbour', address, mac: null, moved: false })
    }
    return changes
  }

  /** Those that this endpoint had displaced take what is free. */
  #restore(id: string): EntryChange[] {
    if (this.#displaced.size === 0) return []
    const losers = [...this.#displaced].filter(([, winner]) => winner === id).map(([loser]) => loser)
    return losers.flatMap((loser) => {
      this.#displaced.delete(loser)
      const endpoint = this.#endpoints.get(loser)
      return endpoint === undefined ? [] : this.#claim(endpoint, false)
    })
  }

  /** With `anyway` also what another endpoint of another host has. */
  #claim(endpoint: Endpoint, anyway: boolean): EntryChange[] {
    const { mac, addresses, via } = endpoint
    const isLocal = via === ''
    const changes: EntryChange[] = []
    if (mac !== '') {
      const before = this.#forwarding.get(mac)
      if (this.#take(this.#forwarding, mac, endpoint, anyway))
        changes.push(...changeOf(remote(before)?.via, via, isLocal).map((to) => forwardingChange(mac, to)))
    }
    for (const address of addresses) {
      const before = this.#neighbours.get(address)
      const former = before?.mac ?? this.#former.get(address) ?? ''
      if (!this.#take(this.#neighbours, address, endpoint, anyway)) continue
      this.#former.delete(address)
      const moved = former !== '' && former !== mac
      for (const to of changeOf(remote(before)?.mac, mac, isLocal))
        changes.push({ kind: 'neighbour', address, mac: to, moved: moved && to !== null })
    }
    return changes
  }

  /** False when another endpoint keeps it. */
  #take(holders: Map<string, Endpoint>, key: string, wanted: Endpoint, anyway: boolean): boolean {
    const present = holders.get(key)
    if (present !== undefined && present.id !== wanted.id) {
      if (!anyway || (present.via === '' && wanted.via !== '')) {
        this.#displaced.set(wanted.id, present.id)
        return false
      }
      this.#displaced.set(present.id, wanted.id)
    }
    holders.set(key, wanted)
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

function remote(holder: Endpoint | undefined): Endpoint | undefined {
  return holder?.via === '' ? undefined : holder
}

/** What the entry is to say, null for its removal; nothing when it is right. */
function changeOf(present: string | undefined, value: string, isLocal: boolean): (string | null)[] {
  if (isLocal) return present === undefined ? [] : [null]
  return present === value ? [] : [value]
}

function forwardingChange(mac: string, via: string | null): EntryChange {
  return { kind: 'forwarding', mac, via }
}
