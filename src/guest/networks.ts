/** Networks of another engine on tsnet's drivers (libnetwork's remote driver API, from the plugin's side). */
import type { NetworkDriver } from '../drivers/driver.ts'
import { interfacePrefixOf } from '../drivers/network-options.ts'
import { driverContext } from '../engine/driver-context.ts'
import { Locks } from '../engine/locks.ts'
import { errorKind, TsnetError } from '../errors.ts'
import type { Rule } from '../firewall/rules.ts'
import { listLinks } from '../netlink/link.ts'
import { openRouteSocket } from '../netlink/socket.ts'
import type { GuestEndpoint } from '../store/guest-records.ts'
import type { NetworkRecord, PortBinding } from '../store/records.ts'
import { overlaps, parseCidr } from '../values/cidr.ts'
import type { EndpointId, NetworkId } from '../values/id.ts'
import { guestLinkName } from '../values/interface-name.ts'
import { Endpoints } from './endpoints.ts'
import { type Fields, idOf, objectOf } from './fields.ts'
import { readNetwork } from './network-record.ts'
import type { GuestParts, Verbs } from './parts.ts'
import { readPorts } from './ports.ts'

export class GuestNetworks {
  readonly #parts: GuestParts
  readonly #endpoints: Endpoints
  readonly #locks = new Locks()

  constructor(parts: GuestParts) {
    this.#parts = parts
    this.#endpoints = new Endpoints(parts)
  }

  /** What is said to the plugin that offers `driver`. */
  verbs(driver: NetworkDriver): Verbs {
    const onNetwork =
      (verb: (id: NetworkId, body: Fields) => Promise<object>) =>
      (body: Fields): Promise<object> => {
        const id = idOf<NetworkId>(body, 'NetworkID')
        return this.#locks.run(id, () => verb(id, body))
      }
    const onEndpoint = (verb: (endpoint: GuestEndpoint, body: Fields) => Promise<object>) =>
      onNetwork((_, body) => verb(this.#endpoint(idOf<EndpointId>(body, 'EndpointID')), body))
    return {
      // Of networks that span hosts Docker wants to see to itself, in a store of its own.
      GetCapabilities: async () => ({ Scope: 'local', ConnectivityScope: driver.capabilities.scope }),
      CreateNetwork: onNetwork((_, body) => this.#create(driver, body)),
      DeleteNetwork: onNetwork((id) => this.#delete(id)),
      CreateEndpoint: onNetwork((id, body) =>
        this.#endpoints.create(this.#driverOf(id), this.#network(id), body),
      ),
      DeleteEndpoint: onNetwork((_, body) => this.#deleteEndpoint(idOf(body, 'EndpointID'))),
      EndpointOperInfo: onEndpoint(async (endpoint) => ({ Value: this.#endpoints.info(endpoint) })),
      Join: onEndpoint(async (endpoint) => this.#join(endpoint)),
      Leave: onNetwork((_, body) => this.#withdraw(idOf(body, 'EndpointID'))),
      ProgramExternalConnectivity: onEndpoint(async (endpoint, body) => {
        await this.#publish(endpoint, readPorts(objectOf(body, 'Options')))
        return {}
      }),
      RevokeExternalConnectivity: onNetwork((_, body) => this.#withdraw(idOf(body, 'EndpointID'))),
      // A host of Docker's own cluster says nothing that tsnet's drivers need to know.
      DiscoverNew: async () => ({}),
      DiscoverDelete: async () => ({}),
    }
  }

  /**
   * After a start of the daemon: what is recorded stands again, what was cut short goes. Rules are left to the caller. What cannot be
   * restored keeps nothing else from it.
   */
  async restore(): Promise<void> {
    const { store } = this.#parts
    for (const { network, isMade } of [...store.guestNetworks.values()]) {
      await this.#attempt({ network: network.id }, async () => {
        if (!isMade) await this.#dismantle(network)
        else
          this.#parts.rules.set(
            network.id,
            await this.#driver(network).createNetwork(driverContext(this.#parts), network),
          )
      })
    }
    for (const endpoint of [...store.guestEndpoints.values()]) {
      await this.#attempt({ endpoint: endpoint.id }, async () => {
        if (!endpoint.isMade) await this.#deleteEndpoint(endpoint.id)
        else this.#endpoints.adopt(this.#network(endpoint.network), endpoint)
      })
    }
    await this.#attempt({}, () => this.evictGone())
    // Ports of bridges that were lost while no daemon ran.
    for (const { network } of store.guestNetworks.values())
      await this.#attempt({ network: network.id }, () => this.repair(network.id))
    await this.#attempt({}, () => this.#sweep())
  }

  async #attempt(what: object, body: () => Promise<unknown>): Promise<void> {
    try {
      await body()
    } catch (error) {
      this.#parts.log.error({ err: error, ...what }, 'not all that another engine has could be restored')
    }
  }

  /**
   * Dockerd says nothing of containers that died with it: their interfaces are gone with their namespaces, and what belonged to them is
   * given back. Returns how many there were, besides `but`.
   */
  async evictGone(but = ''): Promise<number> {
    const { store, log } = this.#parts
    using socket = openRouteSocket()
    // By the id at the end of the tag.
    const standing = new Set(listLinks(socket).map(({ alias }) => alias.split(':').at(-1)))
    // Of other drivers nothing stays on the host that could tell.
    const gone = [...store.guestEndpoints.values()].filter(
      ({ id, network, isMade }) =>
        isMade && id !== but && this.#driverOf(network).capabilities.ports === 'engine' && !standing.has(id),
    )
    for (const { id, network } of gone) {
      // Its own call may be at it, and is not waited for under the lock of another one.
      if (but === '') await this.#locks.run(network, () => this.#deleteEndpoint(id))
      else await this.#deleteEndpoint(id)
      log.info({ endpoint: id, network }, "another engine's endpoint was gone")
    }
    return gone.length
  }

  /** Safe to repeat; the other engine finds nothing left to do when its container ends. */
  async evict(id: EndpointId): Promise<void> {
    const network = this.#parts.store.guestEndpoints.get(id)?.network
    if (network !== undefined) await this.#locks.run(network, () => this.#deleteEndpoint(id))
  }

  /** Makes good what somebody else has done to the links of a network of this host's, if it is one. */
  repair(id: string): Promise<void> {
    return this.#locks.run(id, async () => {
      const { store, log, shared } = this.#parts
      const network = store.guestNetworks.get(id)?.network
      if (network === undefined || shared.of(network) !== undefined) return
      const standing = this.#endpointsOf(network.id).map((endpoint) => ({
        ...endpoint,
        network,
        onlyOwnMac: false,
        // In a namespace of the other engine's.
        sandbox: () => null,
      }))
      const faults =
        (await this.#driver(network).repair?.(driverContext(this.#parts), network, standing)) ?? []
      if (faults.length > 0) log.warn({ network: id, faults }, "another engine's network was put right")
    })
  }

  async #sweep(): Promise<void> {
    const networks = [...this.#parts.store.guestNetworks.values()].map(({ network }) => network)
    const endpoints = [...this.#parts.store.guestEndpoints.values()].map((endpoint) => ({
      ...endpoint,
      network: this.#network(endpoint.network),
    }))
    for (const driver of this.#parts.drivers) {
      await driver.sweep?.(
        driverContext(this.#parts),
        networks.filter((network) => network.driver === driver.name),
        endpoints.filter(({ network }) => network.driver === driver.name),
      )
    }
  }

  /** Dockerd asks again when the daemon was killed over the first question. */
  async #create(driver: NetworkDriver, body: Fields): Promise<object> {
    const network = readNetwork(driver, body)
    const { store, rules, firewall } = this.#parts
    if (store.guestNetworks.get(network.id)?.isMade) return {}
    await this.#makeRoom(network)
    store.guestNetworks.put(network.id, { network, isMade: false })
    try {
      const made = await driver.createNetwork(driverContext(this.#parts), network)
      rules.set(network.id, made)
      if (made.length > 0) await firewall.apply({ add: made, remove: [] })
    } catch (error) {
      await this.#dismantle(network)
      throw error
    }
    store.guestNetworks.put(network.id, { network, isMade: true })
    return {}
  }

  /**
   * Of a network that was removed while no plugin was there nobody hears any more. The other engine does not give a subnet out twice,
   * so one in the way that nobody is on is such a network.
   */
  async #makeRoom(wanted: NetworkRecord): Promise<void> {
    const { store } = this.#parts
    if (wanted.driver !== 'bridge') return
    for (const { network } of [...store.guestNetworks.values()])
      if (inTheWay(network, wanted) && this.#endpointsOf(network.id).length === 0)
        await this.#dismantle(network)
    const known = [...store.networks.values(), ...store.guestNetworks.values().map(({ network }) => network)]
    const other = known.find((network) => network.id !== wanted.id && inTheWay(network, wanted))
    if (other === undefined) return
    throw new TsnetError(
      'forbidden',
      'pool-overlap',
      `${wanted.pools.map(({ subnet }) => subnet).join(', ')} overlaps ${other.pools.map(({ subnet }) => subnet).join(', ')} of tsnet's network ${other.name}: give another --subnet`,
    )
  }

  /** Safe to repeat. */
  async #delete(id: NetworkId): Promise<object> {
    const known = this.#parts.store.guestNetworks.get(id)
    if (known !== undefined) await this.#dismantle(known.network)
    return {}
  }

  async #dismantle(network: NetworkRecord): Promise<void> {
    const { store, rules, firewall } = this.#parts
    for (const { id } of this.#endpointsOf(network.id)) await this.#deleteEndpoint(id)
    const standing: readonly Rule[] = rules.get(network.id) ?? []
    rules.delete(network.id)
    if (standing.length > 0) await firewall.apply({ add: [], remove: standing })
    await this.#driver(network).removeNetwork(driverContext(this.#parts), network)
    store.guestNetworks.delete(network.id)
  }

  /** Safe to repeat. */
  async #deleteEndpoint(id: EndpointId): Promise<object> {
    const endpoint = this.#parts.store.guestEndpoints.get(id)
    if (endpoint === undefined) return {}
    const network = this.#network(endpoint.network)
    await this.#endpoints.remove(this.#driver(network), network, endpoint)
    return {}
  }

  #join({ id, network: networkId, address4, address6 }: GuestEndpoint): object {
    const network = this.#network(networkId)
    const driver = this.#driver(network)
    const gateways = network.pools.map((pool) => driver.gatewayFor(network, pool))
    const gatewayOf = (family: 4 | 6, address: string): string =>
      address === '' ? '' : (gateways.find((one) => one !== '' && one.includes(':') === (family === 6)) ?? '')
    const [gateway4, gateway6] = [gatewayOf(4, address4), gatewayOf(6, address6)]
    return {
      InterfaceName: { SrcName: guestLinkName(id), DstPrefix: interfacePrefixOf(network) },
      Gateway: gateway4 === '0.0.0.0' ? '' : gateway4,
      GatewayIPv6: gateway6 === '::' ? '' : gateway6,
      StaticRoutes: [
        ...(gateway4 === '0.0.0.0' ? [onLink('0.0.0.0/0')] : []),
        ...(gateway6 === '::' ? [onLink('::/0')] : []),
      ],
      // What leads out, and whether anything does, is this driver's affair alone.
      DisableGatewayService: true,
    }
  }

  /** Ports may still be with an endpoint that is gone. */
  async #publish(endpoint: GuestEndpoint, bindings: readonly PortBinding[]): Promise<void> {
    const network = this.#network(endpoint.network)
    try {
      await this.#endpoints.publish(network, endpoint, bindings)
    } catch (error) {
      if (errorKind(error) !== 'conflict' || (await this.evictGone(endpoint.id)) === 0) throw error
      await this.#endpoints.publish(network, endpoint, bindings)
    }
  }

  /** Safe to repeat. */
  async #withdraw(id: EndpointId): Promise<object> {
    const endpoint = this.#parts.store.guestEndpoints.get(id)
    if (endpoint !== undefined) await this.#endpoints.withdraw(endpoint)
    return {}
  }

  #endpoint(id: EndpointId): GuestEndpoint {
    const endpoint = this.#parts.store.guestEndpoints.get(id)
    if (endpoint !== undefined) return endpoint
    throw new TsnetError('not-found', 'no-such-endpoint', `there is no endpoint ${id}`)
  }

  #endpointsOf(network: NetworkId): GuestEndpoint[] {
    return [...this.#parts.store.guestEndpoints.values()].filter((endpoint) => endpoint.network === network)
  }

  #network(id: NetworkId): NetworkRecord {
    const known = this.#parts.store.guestNetworks.get(id)
    if (known !== undefined) return known.network
    throw new TsnetError('not-found', 'no-such-network', `there is no network ${id}`)
  }

  #driverOf(id: NetworkId): NetworkDriver {
    return this.#driver(this.#network(id))
  }

  #driver({ driver: name, id }: NetworkRecord): NetworkDriver {
    const driver = this.#parts.drivers.find((one) => one.name === name)
    if (driver !== undefined) return driver
    throw new TsnetError('unavailable', 'no-driver', `network ${id}: the ${name} driver is not there now`)
  }
}

/** Whether two bridges would lead to the same addresses. */
function inTheWay(network: NetworkRecord, wanted: NetworkRecord): boolean {
  return (
    network.driver === 'bridge' &&
    network.pools.some((pool) =>
      wanted.pools.some((other) => overlaps(parseCidr(pool.subnet), parseCidr(other.subnet))),
    )
  )
}

function onLink(destination: string): object {
  return { Destination: destination, RouteType: 1, NextHop: '' }
}
