/** Networks that a runtime's configuration describes: made for their first pod, gone after their last. */
import type { DriverContext, NetworkDriver, StandingEndpoint } from '../../drivers/driver.ts'
import { TsnetError } from '../../errors.ts'
import type { PodNetwork, PodRecord } from '../../store/pod-records.ts'
import type { NetworkRecord, PoolRecord } from '../../store/records.ts'
import { type NetworkId, newId } from '../../values/id.ts'
import { driverContext } from '../driver-context.ts'
import type { PodConfig } from './config.ts'
import type { Suspects } from './healing.ts'
import type { PodParts } from './parts.ts'
import { findPod } from './sandbox.ts'

export class PodNetworks {
  readonly #parts: PodParts
  /** Removals to come, by the network's name. */
  readonly #leaving = new Map<string, NodeJS.Timeout>()

  constructor(parts: PodParts) {
    this.#parts = parts
  }

  context(): DriverContext {
    return driverContext(this.#parts)
  }

  /** Throws kind 'invalid' for one that is not for configurations. */
  driver(name: string): NetworkDriver {
    const { drivers } = this.#parts
    const found = drivers.find((driver) => driver.name === name)
    if (found !== undefined) return found
    const known = drivers.map((driver) => driver.name).join(', ')
    throw new TsnetError(
      'invalid',
      'cni-driver',
      `driver ${name} needs tsnet's daemon, which does not answer: start it, or give one of ${known}`,
    )
  }

  /** The network as it is described, with `enter` run before anybody else may remove it. Throws kind 'conflict' when it stands otherwise. */
  enter(config: PodConfig, enter: (network: NetworkRecord) => void): Promise<NetworkRecord> {
    return this.#locked(config.name, async () => {
      const known = this.#parts.store.podNetworks.get(config.name)
      if (known !== undefined && known.settings !== config.settings) await this.#replace(known)
      const isStanding = known?.settings === config.settings
      const network = isStanding ? known.network : await this.#make(config)
      enter(network)
      return network
    })
  }

  async #replace({ network }: PodNetwork): Promise<void> {
    const users = this.#users(network)
    if (users.length === 0) return this.#remove(network)
    throw new TsnetError(
      'conflict',
      'cni-network-stands',
      `network ${network.name} stands with other settings, for ${users.length} of its attachments: remove these first`,
    )
  }

  async #make(config: PodConfig): Promise<NetworkRecord> {
    const { store, ipam, rules, firewall } = this.#parts
    const driver = this.driver(config.driver)
    // What it asks for may be held by one that nobody uses any more.
    await this.dropUnused(config.name)
    const id = newId<NetworkId>()
    await using undo = new AsyncDisposableStack()
    const pools: PoolRecord[] = []
    for (const wanted of config.pools.length > 0 ? config.pools : [anyPool]) {
      const gateway = wanted.gateway === '' && driver.capabilities.gateway === 'given' ? null : wanted.gateway
      const family = wanted.subnet.includes(':') ? 6 : 4
      const pool = await ipam.requestPool(id, { ...wanted, family, gateway, options: {} })
      undo.defer(() => ipam.releasePool(pool))
      pools.push(pool)
    }
    const network = recordOf(id, config, pools)
    driver.parseOptions(network)
    // Recorded first: who is killed in between finds it again.
    store.podNetworks.put(config.name, { network, settings: config.settings })
    undo.defer(() => store.podNetworks.delete(config.name))
    undo.defer(() => driver.removeNetwork(this.context(), network))
    const added = await driver.createNetwork(this.context(), network)
    await firewall.apply({ add: added, remove: [] })
    rules.set(id, added)
    undo.move()
    return network
  }

  /** To be called when a pod has gone. */
  async leave(network: NetworkRecord): Promise<void> {
    const { linger } = this.#parts
    if (this.#users(network).length > 0) return
    if (linger === 0) return this.#removeUnused(network)
    clearTimeout(this.#leaving.get(network.name))
    const timer = setTimeout(() => void this.#removeQuietly(network), linger)
    this.#leaving.set(network.name, timer.unref())
  }

  async #removeQuietly(network: NetworkRecord): Promise<void> {
    this.#leaving.delete(network.name)
    await this.#removeUnused(network).catch((error: unknown) =>
      this.#parts.log.warn({ err: error, network: network.name }, 'a network of pods could not be removed'),
    )
  }

  #removeUnused(network: NetworkRecord): Promise<void> {
    return this.#locked(network.name, async () => {
      const isPresent = this.#parts.store.podNetworks.get(network.name)?.network.id === network.id
      if (isPresent && this.#users(network).length === 0) await this.#remove(network)
    })
  }

  async #remove(network: NetworkRecord): Promise<void> {
    const { store, ipam, rules, firewall } = this.#parts
    await firewall.apply({ add: [], remove: rules.get(network.id) ?? [] })
    rules.delete(network.id)
    await this.driver(network.driver).removeNetwork(this.context(), network)
    for (const pool of network.pools) await ipam.releasePool(pool)
    store.podNetworks.delete(network.name)
  }

  /** After a start: what is used stands again, the rest goes. Rules are for the caller to apply. */
  async restore(): Promise<void> {
    const { store, ipam, rules, log } = this.#parts
    for (const { network } of [...store.podNetworks.values()]) {
      try {
        const users = this.#users(network)
        for (const pool of network.pools) await ipam.adopt(network.id, pool, leasesOf(pool, users))
        if (users.length === 0) await this.#remove(network)
        else rules.set(network.id, await this.driver(network.driver).createNetwork(this.context(), network))
      } catch (error) {
        log.error({ err: error, network: network.name }, 'a network of pods could not be restored')
      }
    }
  }

  /** Makes good what somebody else has done to the links of networks and pods, of all or of those suspected. */
  async repair(suspects: Suspects): Promise<void> {
    for (const { network } of [...this.#parts.store.podNetworks.values()]) {
      const isSuspect = (id: string): boolean => suspects === null || suspects.has(id)
      const isWhole = isSuspect(network.id)
      const users = this.#users(network).filter(({ id }) => isWhole || isSuspect(id))
      if (isWhole || users.length > 0) await this.#repair(network, users)
    }
  }

  async #repair(network: NetworkRecord, users: readonly PodRecord[]): Promise<void> {
    const { store, log } = this.#parts
    await this.#locked(network.name, async () => {
      // It may have been removed while others had the lock.
      if (store.podNetworks.get(network.name)?.network.id !== network.id) return
      const standing = users
        .filter(({ id }) => store.pods.get(id)?.result)
        .map((pod) => standingPod(network, pod))
      const driver = this.driver(network.driver)
      const faults = (await driver.repair?.(this.context(), network, standing)) ?? []
      if (faults.length > 0) log.warn({ network: network.name, faults }, 'a network of pods was made good')
    }).catch((error: unknown) =>
      log.error({ err: error, network: network.name }, 'a network of pods could not be made good'),
    )
  }

  /** What carries the mark and is nobody's. */
  async sweep(): Promise<void> {
    const { store, drivers } = this.#parts
    for (const driver of drivers) {
      const networks = [...store.podNetworks.values()]
        .map(({ network }) => network)
        .filter((network) => network.driver === driver.name)
      const endpoints = networks.flatMap((network) =>
        this.#users(network).map(({ id, endpoint: { address4, address6 } }) => ({
          id,
          network,
          address4,
          address6,
        })),
      )
      await driver.sweep?.(this.context(), networks, endpoints)
    }
  }

  /** All that have no pods, save one. */
  async dropUnused(but = ''): Promise<void> {
    for (const { network } of [...this.#parts.store.podNetworks.values()]) {
      if (network.name !== but) await this.#removeUnused(network)
    }
  }

  async close(): Promise<void> {
    for (const timer of this.#leaving.values()) clearTimeout(timer)
    await this.dropUnused()
    for (const driver of this.#parts.drivers) await driver.settle?.()
  }

  #users({ id }: NetworkRecord): PodRecord[] {
    return [...this.#parts.store.pods.values()].filter(
      ({ isEngines, endpoint }) => !isEngines && endpoint.network === id,
    )
  }

  #locked<T>(name: string, body: () => Promise<T>): Promise<T> {
    return this.#parts.locks.run(`pod network ${name}`, body)
  }
}

/** As a driver looks after it. */
export function standingPod(network: NetworkRecord, pod: PodRecord): StandingEndpoint {
  const { id, address4, address6, mac } = pod.endpoint
  return { id, network, address4, address6, mac, onlyOwnMac: false, sandbox: () => findPod(pod) }
}

const anyPool: PoolRecord = { subnet: '', range: '', gateway: '', auxiliary: {} }

function leasesOf(
  { subnet }: PoolRecord,
  users: readonly PodRecord[],
): { owner: string; address: string; used: boolean }[] {
  const isSix = subnet.includes(':')
  return users
    .map(({ id, endpoint }) => ({
      owner: id,
      address: isSix ? endpoint.address6 : endpoint.address4,
      used: true,
    }))
    .filter(({ address }) => address !== '')
    .map((lease) => ({ ...lease, address: lease.address.split('/', 1)[0] ?? '' }))
}

function recordOf(
  id: NetworkId,
  { name, driver, options, pools: given }: PodConfig,
  pools: PoolRecord[],
): NetworkRecord {
  const families = pools.map(({ subnet }) => (subnet.includes(':') ? 6 : 4))
  return {
    id,
    name,
    driver,
    options,
    pools,
    createdAt: new Date().toISOString(),
    predefined: false,
    givenFamilies: given.length > 0 ? [...new Set(families)] : [],
    configuration: null,
    internal: false,
    attachable: true,
    ipv4: families.includes(4),
    ipv6: families.includes(6),
    ipamDriver: 'default',
    ipamOptions: {},
    labels: {},
    dnsServers: [],
    configOnly: false,
    configFrom: '',
  }
}
