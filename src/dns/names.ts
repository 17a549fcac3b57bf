/** Who is called what: the names and addresses of the endpoints, per network. */

import type { EndpointId, NetworkId } from '../values/id.ts'
import { canonicalIp, isIp } from '../values/ip.ts'

export interface EndpointNames {
  /** Every name of the endpoint; the first one that can be asked for answers reverse lookups. */
  readonly names: readonly string[]
  readonly addresses: readonly string[]
}

/** A name that one sandbox alone knows: what `--link target:alias` gives. */
export interface NameLink {
  readonly network: NetworkId
  readonly alias: string
  /** Any name of the target on that network; looked up at each query, so that it may move or be away. */
  readonly target: string
}

export interface Addresses {
  readonly ipv4: readonly string[]
  readonly ipv6: readonly string[]
}

interface Network {
  readonly name: string
  readonly endpoints: Map<EndpointId, EndpointNames>
  /** In lower case. Of tens of thousands of names nearly all are one endpoint's, which needs no set. */
  readonly byName: Map<string, Owners>
  readonly byAddress: Map<string, EndpointId>
}

export class NameRegistry {
  readonly #networks = new Map<NetworkId, Network>()

  /** Replaces what was known of the endpoint. Throws kind 'invalid' for an address that is none. */
  setEndpoint(network: NetworkId, networkName: string, endpoint: EndpointId, known: EndpointNames): void {
    const addresses = known.addresses.map(inForm)
    this.removeEndpoint(network, endpoint)
    const entry = this.#networks.get(network) ?? createNetwork(networkName)
    this.#networks.set(network, entry)
    entry.endpoints.set(endpoint, { names: known.names, addresses })
    for (const name of known.names) addTo(entry.byName, name.toLowerCase(), endpoint)
    for (const address of addresses) entry.byAddress.set(address, endpoint)
  }

  /** Safe to repeat. */
  removeEndpoint(network: NetworkId, endpoint: EndpointId): void {
    const entry = this.#networks.get(network)
    const known = entry?.endpoints.get(endpoint)
    if (entry === undefined || known === undefined) return
    entry.endpoints.delete(endpoint)
    for (const name of known.names) removeFrom(entry.byName, name.toLowerCase(), endpoint)
    for (const address of known.addresses) {
      // the address may have passed to another endpoint meanwhile
      if (entry.byAddress.get(address) === endpoint) entry.byAddress.delete(address)
    }
    if (entry.endpoints.size === 0) this.#networks.delete(network)
  }

  /**
   * The addresses of a name on these networks, or null when none of them knows it. `web` and `web.mynet` are the same
   * name; case does not matter. Each family comes from the first network that has it. Links go before names.
   */
  lookup(networks: readonly NetworkId[], name: string, links: readonly NameLink[] = []): Addresses | null {
    const wanted = name.toLowerCase()
    return (
      merge(links.flatMap((link) => this.#addressesOfLink(link, wanted) ?? [])) ??
      merge(networks.flatMap((id) => this.#addressesOn(id, wanted) ?? []))
    )
  }

  /** The name with its network of the endpoint that has this address, `web.mynet`, or null. */
  reverse(networks: readonly NetworkId[], address: string): string | null {
    if (!isIp(address)) return null
    for (const id of networks) {
      const network = this.#networks.get(id)
      const endpoint = network?.byAddress.get(canonicalIp(address))
      const name = endpoint && network?.endpoints.get(endpoint)?.names.find(isDomainName)
      if (name) return `${name}.${network!.name}`
    }
    return null
  }

  /** The addresses of `web.mynet`, whatever the network, or null. */
  lookupQualified(name: string): Addresses | null {
    const networks = this.#networks.entries().filter(([, network]) => withoutNetwork(network, name) !== name)
    return merge([...networks].flatMap(([id]) => this.#addressesOn(id, name) ?? []))
  }

  /** As `reverse`, on all networks. */
  reverseAnywhere(address: string): string | null {
    return this.reverse([...this.#networks.keys()], address)
  }

  #addressesOfLink(link: NameLink, name: string): Addresses | null {
    const network = this.#networks.get(link.network)
    const alias = link.alias.toLowerCase()
    if (network === undefined || (name !== alias && withoutNetwork(network, name) !== alias)) return null
    return this.#addressesOn(link.network, link.target.toLowerCase())
  }

  #addressesOn(id: NetworkId, name: string): Addresses | null {
    const network = this.#networks.get(id)
    if (network === undefined) return null
    const owners = network.byName.get(name) ?? network.byName.get(withoutNetwork(network, name))
    if (owners === undefined) return null
    const all = typeof owners === 'string' ? [owners] : [...owners]
    const addresses = all.flatMap((endpoint) => network.endpoints.get(endpoint)!.addresses)
    return {
      ipv4: addresses.filter((address) => !address.includes(':')),
      ipv6: addresses.filter((address) => address.includes(':')),
    }
  }
}

/** Whether a question can hold the name (RFC 1035, 2.3.4): containers may be called what none can. */
function isDomainName(name: string): boolean {
  return name.split('.').every((label) => label.length > 0 && label.length <= 63)
}

function withoutNetwork(network: Network, name: string): string {
  const suffix = `.${network.name.toLowerCase()}`
  return name.endsWith(suffix) ? name.slice(0, -suffix.length) : name
}

function merge(found: readonly Addresses[]): Addresses | null {
  if (found.length === 0) return null
  return {
    ipv4: found.find(({ ipv4 }) => ipv4.length > 0)?.ipv4 ?? [],
    ipv6: found.find(({ ipv6 }) => ipv6.length > 0)?.ipv6 ?? [],
  }
}

function createNetwork(name: string): Network {
  return { name, endpoints: new Map(), byName: new Map(), byAddress: new Map() }
}

/** The text itself where it is in form, as it is in memory once. */
function inForm(address: string): string {
  const form = canonicalIp(address)
  return form === address ? address : form
}

type Owners = EndpointId | Set<EndpointId>

function addTo(index: Map<string, Owners>, name: string, endpoint: EndpointId): void {
  const owners = index.get(name)
  if (owners === undefined || owners === endpoint) index.set(name, endpoint)
  else if (typeof owners === 'string') index.set(name, new Set([owners, endpoint]))
  else owners.add(endpoint)
}

function removeFrom(index: Map<string, Owners>, name: string, endpoint: EndpointId): void {
  const owners = index.get(name)
  if (owners === endpoint) index.delete(name)
  if (owners === undefined || typeof owners === 'string') return
  owners.delete(endpoint)
  if (owners.size === 0) index.delete(name)
}
