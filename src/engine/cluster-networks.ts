/** Networks that a cluster shares: made and removed once for all hosts, and known to each of them by a record of its own. */
import { networkKey } from '../cluster/keys.ts'
import { errorMessage, TsnetError } from '../errors.ts'
import type { NetworkRecord } from '../store/records.ts'
import { adoptPools, releasePools } from './addresses.ts'
import { fence } from './cluster-fencing.ts'
import { planNetwork } from './cluster-plan.ts'
import { foreignEndpoints } from './foreign-endpoints.ts'
import type { Parts } from './parts.ts'
import { tellResolvers } from './resolver-options.ts'
import { clusterOf, isShared, reachableCluster } from './shared-networks.ts'

/** Makes a network for all hosts. Throws kind 'conflict' for a taken name, 'unavailable' while etcd is away. */
export async function shareNetwork(parts: Parts, wanted: NetworkRecord): Promise<NetworkRecord> {
  const { state } = reachableCluster(parts, `creating network ${wanted.name}`)
  const driver = parts.networkDriver(wanted.driver)
  driver.parseOptions(wanted)
  driver.checkHost?.(wanted)
  const network = await state.createNetwork((present) => planNetwork(parts, wanted, present))
  await recordNetwork(parts, network)
  return network
}

/** Throws kind 'forbidden' while other hosts have endpoints on it. */
export async function unshareNetwork(parts: Parts, network: NetworkRecord): Promise<void> {
  await reachableCluster(parts, `removing network ${network.name}`).state.removeNetwork(network)
  await forgetNetwork(parts, network)
}

/** Writes what was changed of a network for all hosts. */
export async function rewriteNetwork(
  parts: Parts,
  before: NetworkRecord,
  after: NetworkRecord,
): Promise<void> {
  const { state } = reachableCluster(parts, `changing network ${before.name}`)
  const [old, fresh] = [before, after].map((network) => JSON.stringify(network))
  if (await state.put(networkKey(after.id), fresh, old)) return
  throw new TsnetError(
    'conflict',
    'network-changed',
    `network ${before.name} was changed or removed by another host just now: look at it again`,
  )
}

/** Safe to repeat; the first one tells of the network. */
async function recordNetwork(parts: Parts, network: NetworkRecord): Promise<void> {
  const { store, events } = parts
  const before = store.networks.get(network.id)
  if (before !== undefined && JSON.stringify(before) === JSON.stringify(network)) return
  store.networks.put(network.id, network)
  if (before === undefined) await adoptPools(parts, [network])
  else tellResolvers(parts, network)
  events.emit('network', before === undefined ? 'create' : 'update', network.id, {
    name: network.name,
    type: network.driver,
  })
}

/** Safe to repeat. */
async function forgetNetwork(parts: Parts, network: NetworkRecord): Promise<void> {
  const { store, events } = parts
  if (!store.networks.has(network.id)) return
  store.networks.delete(network.id)
  await releasePools(parts, network)
  events.emit('network', 'destroy', network.id, { name: network.name, type: network.driver })
}

/** Keeps this host's records like the cluster's, from now on. */
export function followNetworks(parts: Parts): void {
  new NetworkFollower(parts).start()
}

class NetworkFollower {
  readonly #parts: Parts
  /** Ids of networks that cannot be had here, as their names are those of networks of this host alone. */
  readonly #hidden = new Set<string>()

  constructor(parts: Parts) {
    this.#parts = parts
  }

  start(): void {
    const { state } = clusterOf(this.#parts)
    state.networks.subscribe((changes) => {
      for (const { key, value } of changes) void this.#follow(key, value)
    })
    // What was removed while no daemon ran nobody tells.
    state.onHealth((health) => health.state === 'connected' && void this.#compare())
    void this.#compare()
    // The name of a network that was hidden may be free now.
    this.#parts.events.subscribe(({ type, action }) => {
      if (type === 'network' && action === 'destroy' && this.#hidden.size > 0) void this.#compare()
    })
  }

  async #compare(): Promise<void> {
    const { networks } = clusterOf(this.#parts).state
    try {
      await networks.ready()
    } catch (error) {
      const message = 'the networks of the cluster are as they were known last'
      this.#parts.log.info({ err: errorMessage(error) }, message)
      return
    }
    for (const [id, network] of networks.values) await this.#follow(id, network)
    for (const network of [...this.#parts.store.networks.values()]) {
      if (isShared(network) && !networks.values.has(network.id)) await this.#follow(network.id, undefined)
    }
  }

  async #follow(id: string, network: NetworkRecord | undefined): Promise<void> {
    const { locks, log } = this.#parts
    const name = network?.name ?? this.#parts.store.networks.get(id)?.name ?? ''
    try {
      // The newest counts, whatever was heard first.
      await locks.run(`network ${name}`, () => this.#copy(id))
    } catch (error) {
      log.error({ network: name, err: error }, 'a network of the cluster could not be followed')
    }
  }

  async #copy(id: string): Promise<void> {
    const network = clusterOf(this.#parts).state.networks.values.get(id)
    const present = this.#parts.store.networks.get(id)
    if (network === undefined) {
      if (present !== undefined) await this.#lose(present)
    } else if (!this.#isHidden(network)) await recordNetwork(this.#parts, network)
  }

  #isHidden(network: NetworkRecord): boolean {
    const { store, log } = this.#parts
    const local = store.networks.values().find(({ name, id }) => name === network.name && id !== network.id)
    if (local === undefined || isShared(local)) return this.#hidden.delete(network.id) && false
    if (!this.#hidden.has(network.id))
      log.warn(
        { network: network.name, id: network.id },
        'a network of the cluster is hidden by one of this host with the same name: remove that to use it',
      )
    this.#hidden.add(network.id)
    return true
  }

  /** Removed while this host was away: no endpoint of its can have stood in the way. */
  async #lose(network: NetworkRecord): Promise<void> {
    const reason = `network ${network.name} was removed by another host`
    for (const { endpoints } of [...this.#parts.store.containers.values()]) {
      const endpoint = endpoints.find((one) => one.network === network.id)
      if (endpoint !== undefined) await fence(this.#parts, endpoint.id, reason)
    }
    for (const endpoint of foreignEndpoints(this.#parts.store))
      if (endpoint.network === network.id) await fence(this.#parts, endpoint.id, reason)
    await forgetNetwork(this.#parts, network)
  }
}
