/**
 * Networks of the cluster for another engine's containers. Those engines know nothing of each other: each has a network of its own that
 * stands for the cluster's, which it is told by its subnet, and asks tsnet for addresses.
 */
import type { DriverContext, NetworkDriver } from '../drivers/driver.ts'
import { badOption } from '../drivers/network-options.ts'
import { enterNetwork, leaveNetwork } from '../engine/active-networks.ts'
import { driverContext } from '../engine/driver-context.ts'
import { sharedFor } from '../engine/foreign-endpoints.ts'
import { createNetwork } from '../engine/networks.ts'
import type { Parts } from '../engine/parts.ts'
import { type ClusterParts, clusterOf, isShared } from '../engine/shared-networks.ts'
import { TsnetError } from '../errors.ts'
import type { GuestEndpoint } from '../store/guest-records.ts'
import type { NetworkRecord, NetworkSpec } from '../store/records.ts'
import { shortId } from '../values/id.ts'
import type { SharedNetworks } from './parts.ts'

/** Milliseconds in which a network that another host makes at the same moment is heard of. */
const patience = 2000
const lookInterval = 50

/** What is said of a network then: its name, or its subnet. */
const quicker: readonly string[] = ['network-exists', 'pool-overlap']

/** The driver as another engine sees it; null without a cluster. */
export function sharedDriver(parts: Parts): NetworkDriver[] {
  return parts.cluster === null ? [] : [new SharedDriver(parts, parts.cluster)]
}

class SharedDriver implements NetworkDriver<null> {
  readonly #parts: Parts
  readonly #cluster: ClusterParts
  readonly #driver: NetworkDriver

  constructor(parts: Parts, cluster: ClusterParts) {
    this.#parts = parts
    this.#cluster = cluster
    this.#driver = parts.networkDriver('overlay')
  }

  get name(): string {
    return this.#driver.name
  }

  get capabilities(): NetworkDriver['capabilities'] {
    return this.#driver.capabilities
  }

  parseOptions({ name, options }: NetworkSpec): null {
    if (Object.keys(options).length === 0) return null
    throw badOption(
      `network ${name}: options belong to the cluster's network: give them to tsnet network create -d overlay`,
    )
  }

  checkEndpoint(network: NetworkRecord, wish: Parameters<NetworkDriver['checkEndpoint']>[1]): void {
    this.#driver.checkEndpoint(this.#sharedOf(network), wish)
  }

  gatewayFor(network: NetworkRecord, pool: Parameters<NetworkDriver['gatewayFor']>[1]): string {
    return this.#driver.gatewayFor(this.#sharedOf(network), pool)
  }

  async createNetwork(_context: DriverContext, network: NetworkRecord): Promise<readonly []> {
    this.#sharedOf(network)
    return []
  }

  async removeNetwork(): Promise<void> {}

  async attach(
    _context: DriverContext,
    endpoint: Parameters<NetworkDriver['attach']>[1],
    sandbox: Parameters<NetworkDriver['attach']>[2],
  ): ReturnType<NetworkDriver['attach']> {
    const parts = this.#parts
    const network = this.#sharedOf(endpoint.network)
    await using undo = new AsyncDisposableStack()
    await enterNetwork(parts, undo, network, endpoint.id)
    const attached = await this.#driver.attach(driverContext(parts), { ...endpoint, network }, sandbox)
    const record = parts.store.guestEndpoints.get(endpoint.id)
    if (record !== undefined) this.#announce(network, { ...record, mac: attached.mac })
    undo.move()
    return attached
  }

  async detach(
    _context: DriverContext,
    endpoint: Parameters<NetworkDriver['detach']>[1],
    sandbox: Parameters<NetworkDriver['detach']>[2],
  ): Promise<void> {
    const network = sharedFor(this.#parts.store, endpoint.network)
    if (network === undefined) return
    this.#cluster.state.withdraw({ id: endpoint.id, network: network.id })
    await this.#driver.detach(driverContext(this.#parts), { ...endpoint, network }, sandbox)
    await leaveNetwork(this.#parts, network, endpoint.id)
  }

  /** The daemon's own sweep knows these endpoints too; the other hosts hear of them again. */
  async sweep(): Promise<void> {
    const { store } = this.#parts
    for (const endpoint of store.guestEndpoints.values()) {
      const network = sharedFor(store, store.guestNetworks.get(endpoint.network)?.network)
      if (network !== undefined) this.#announce(network, endpoint)
    }
  }

  #announce(network: NetworkRecord, { id, mac, address4, address6 }: GuestEndpoint): void {
    const { state } = this.#cluster
    const facts = { id, network: network.id, mac, address4, address6 }
    state.announce({
      ...facts,
      node: state.self.name,
      container: id,
      containerName: `${shortId(id)} of another engine`,
      names: [],
    })
  }

  #sharedOf(network: NetworkRecord): NetworkRecord {
    const shared = sharedFor(this.#parts.store, network)
    if (shared !== undefined) return shared
    throw new TsnetError(
      'invalid',
      'not-shared',
      `network ${network.name}: ${network.pools.map(({ subnet }) => subnet).join(', ')} is no subnet of the cluster's networks: give --ipam-driver tsnet --ipam-opt network=NAME, and the same name on every host`,
    )
  }
}

/** What the address manager of another engine asks of the cluster's networks. */
export function sharedNetworks(parts: Parts): SharedNetworks {
  const find = (name: string): NetworkRecord | undefined =>
    parts.store.networks.values().find((network) => network.name === name)
  return {
    of: (network) => sharedFor(parts.store, network),
    leases: () => clusterOf(parts).leases,
    async ensure(name, subnet) {
      const network = find(name) ?? (await make(parts, name, subnet, find))
      if (isShared(network)) return network
      throw new TsnetError(
        'conflict',
        'not-shared',
        `network ${name} is one of this host's, with the driver ${network.driver}: give the name of one of the cluster`,
      )
    },
  }
}

/** Another host may be quicker: then its network is the one. */
async function make(
  parts: Parts,
  name: string,
  subnet: string,
  find: (name: string) => NetworkRecord | undefined,
): Promise<NetworkRecord> {
  const pools = subnet === '' ? [] : [{ subnet, range: '', gateway: '', auxiliary: {} }]
  try {
    return await createNetwork(parts, { ...plainNetwork, name, pools })
  } catch (error) {
    if (!(error instanceof TsnetError && quicker.includes(error.code))) throw error
    for (const until = Date.now() + patience; Date.now() < until; ) {
      const network = find(name)
      if (network !== undefined) return network
      await new Promise((resolve) => setTimeout(resolve, lookInterval))
    }
    throw error
  }
}

const plainNetwork: Omit<NetworkSpec, 'name' | 'pools'> = {
  driver: 'overlay',
  internal: false,
  attachable: true,
  ipv4: true,
  ipv6: false,
  ipamDriver: 'default',
  ipamOptions: {},
  options: {},
  labels: {},
  dnsServers: [],
  configOnly: false,
  configFrom: '',
}
