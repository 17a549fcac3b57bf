/**
 * Endpoints of another engine's containers. Drivers attach them to the daemon's own namespace, without addresses; from there the other
 * engine takes the link into the container, and gives it addresses and routes itself.
 */
import type { AttachedEndpoint, EndpointSpec, NetworkDriver } from '../drivers/driver.ts'
import { hostBindingsOf, trustedInterfacesOf } from '../drivers/network-options.ts'
import { driverContext } from '../engine/driver-context.ts'
import { publishRules, trustedRules } from '../firewall/publish.ts'
import type { BridgeRule, Rule } from '../firewall/rules.ts'
import { forgetUdpFlows } from '../netlink/conntrack.ts'
import type { PortTargets } from '../ports/reservation.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import type { GuestEndpoint } from '../store/guest-records.ts'
import type { Labels, NetworkRecord, PortBinding, PublishedPort } from '../store/records.ts'
import { openNetns } from '../sys/netns.ts'
import { type EndpointId, shortId } from '../values/id.ts'
import { bridgeName, guestLinkName } from '../values/interface-name.ts'
import { parseIp } from '../values/ip.ts'
import { formatMac } from '../values/mac.ts'
import { type Fields, idOf, labelsOf, objectOf, textOf } from './fields.ts'
import { bare } from './network-record.ts'
import type { GuestParts } from './parts.ts'

export class Endpoints {
  readonly #parts: GuestParts

  constructor(parts: GuestParts) {
    this.#parts = parts
  }

  /** Asked again, it answers as before. Tells what the other engine has left open: the hardware address. */
  async create(driver: NetworkDriver, network: NetworkRecord, body: Fields): Promise<object> {
    const id = idOf<EndpointId>(body, 'EndpointID')
    const given = objectOf(body, 'Interface')
    const mac = textOf(given, 'MacAddress')
    const known = this.#parts.store.guestEndpoints.get(id)
    const endpoint = known?.isMade
      ? known
      : await this.#make(driver, network, { id, given, mac, options: ownOptions(body) })
    return { Interface: mac === '' && endpoint.mac !== '' ? { MacAddress: endpoint.mac } : {} }
  }

  async #make(
    driver: NetworkDriver,
    network: NetworkRecord,
    { id, given, mac, options }: { id: EndpointId; given: Fields; mac: string; options: Labels },
  ): Promise<GuestEndpoint> {
    const { store } = this.#parts
    driver.checkEndpoint(network, { mac: mac === '' ? null : mac, options })
    const [address4, address6] = [textOf(given, 'Address'), textOf(given, 'AddressIPv6')]
    const planned: GuestEndpoint = {
      id,
      network: network.id,
      mac,
      address4,
      address6,
      isMade: false,
      published: [],
    }
    store.guestEndpoints.put(id, planned)
    try {
      using host = openHost()
      const attached = await driver.attach(
        driverContext(this.#parts),
        { ...bareEndpoint(network, planned), options, mac: mac || macFor(driver, address4) },
        host,
      )
      const endpoint = { ...planned, mac: attached.mac, isMade: true }
      store.guestEndpoints.put(id, endpoint)
      return endpoint
    } catch (error) {
      await this.remove(driver, network, planned)
      throw error
    }
  }

  /** Safe to repeat. The link is back on the host by now, or gone with the container's namespace. */
  async remove(driver: NetworkDriver, network: NetworkRecord, endpoint: GuestEndpoint): Promise<void> {
    await this.withdraw(endpoint)
    using host = openHost()
    await driver.detach(driverContext(this.#parts), attachedOf(network, endpoint), host)
    this.#parts.store.guestEndpoints.delete(endpoint.id)
  }

  /** Takes host ports and leads them to the endpoint, instead of those that it had. */
  async publish(
    network: NetworkRecord,
    endpoint: GuestEndpoint,
    bindings: readonly PortBinding[],
  ): Promise<void> {
    const driver = this.#parts.drivers.find(({ name }) => name === network.driver)
    await this.withdraw(endpoint)
    if (bindings.length === 0 || driver?.capabilities.ports !== 'engine') return
    const { ports, store, rules, firewall } = this.#parts
    const wanted = bindings.flatMap((binding) =>
      binding.hostAddress === ''
        ? hostBindingsOf(network).map((hostAddress) => ({ ...binding, hostAddress }))
        : [binding],
    )
    const published = await ports.reserve(
      endpoint.id,
      nameOf(endpoint),
      wanted,
      this.#targets(network, endpoint),
    )
    const standing = { ...endpoint, published }
    store.guestEndpoints.put(endpoint.id, standing)
    const added = this.#rules(network, standing)
    rules.set(endpoint.id, added)
    await firewall.apply({ add: added, remove: [] })
    this.#forgetFlows(published)
  }

  /** Safe to repeat. */
  async withdraw({ id }: GuestEndpoint): Promise<void> {
    const { store, ports, rules, firewall } = this.#parts
    const endpoint = store.guestEndpoints.get(id)
    if (endpoint === undefined || endpoint.published.length === 0) return
    await firewall.apply({ add: [], remove: rules.get(id) ?? [] })
    rules.delete(id)
    ports.release(id)
    store.guestEndpoints.put(id, { ...endpoint, published: [] })
    this.#forgetFlows(endpoint.published)
  }

  /** After a restart: takes the same host ports again. The rules are for the caller to apply. */
  adopt(network: NetworkRecord, endpoint: GuestEndpoint): void {
    if (endpoint.published.length === 0) return
    const { ports, rules } = this.#parts
    ports.adopt(endpoint.id, nameOf(endpoint), endpoint.published, this.#targets(network, endpoint))
    rules.set(endpoint.id, this.#rules(network, endpoint))
  }

  /** As libnetwork's own bridge tells it. */
  info({ mac, published }: GuestEndpoint): object {
    return {
      ...(mac !== '' && { 'com.docker.network.endpoint.macaddress': mac }),
      'com.docker.network.portmap': published.map((port) => ({
        Proto: { tcp: 6, udp: 17, sctp: 132 }[port.protocol],
        Port: port.containerPort,
        HostIP: port.hostAddress,
        HostPort: port.hostPort,
        HostPortEnd: port.hostPort + port.count - 1,
      })),
    }
  }

  #rules(network: NetworkRecord, { id, published, address4, address6 }: GuestEndpoint): Rule[] {
    const bridge = this.#bridgeRule(network, 4) ?? this.#bridgeRule(network, 6)
    // At the daemon's start the cluster's networks come later than this.
    const shared = this.#parts.shared.of(network)
    const name = bridge?.interface ?? (shared === undefined ? '' : bridgeName(shared.id))
    const target = { owner: id, interface: name, address4, address6 }
    return [
      ...publishRules(published, target),
      ...trustedRules(published, target, trustedInterfacesOf(network, this.#parts)),
    ]
  }

  #targets(network: NetworkRecord, { address4, address6 }: GuestEndpoint): PortTargets {
    return {
      v4: bare(address4),
      v6: bare(address6),
      routed4: this.#bridgeRule(network, 4)?.mode === 'routed',
      routed6: this.#bridgeRule(network, 6)?.mode === 'routed',
    }
  }

  #bridgeRule(network: NetworkRecord, family: 4 | 6): BridgeRule | undefined {
    return this.#parts.rules
      .get((this.#parts.shared.of(network) ?? network).id)
      ?.filter((rule) => rule.kind === 'bridge')
      .find((rule) => rule.family === family)
  }

  #forgetFlows(ports: readonly PublishedPort[]): void {
    try {
      forgetUdpFlows(
        ports
          .filter(({ protocol }) => protocol === 'udp')
          .map(({ hostAddress, hostPort, count }) => ({ address: hostAddress, first: hostPort, count })),
      )
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'old UDP flows may still lead to where published ports led before')
    }
  }
}

/** The namespace that the daemon runs in, as a sandbox. */
function openHost(): Sandbox {
  const path = '/proc/self/ns/net'
  const netns = openNetns(path)
  return { id: 'host', path, netns, [Symbol.dispose]: () => netns.close() }
}

/** Nothing is set on the link but its name: on the host its addresses would be the host's. */
function bareEndpoint(network: NetworkRecord, { id }: GuestEndpoint): Omit<EndpointSpec, 'mac' | 'options'> {
  return {
    id,
    network,
    interfaceName: guestLinkName(id),
    address4: '',
    address6: '',
    linkLocal: [],
    gateway4: '',
    gateway6: '',
    defaultRoute4: false,
    defaultRoute6: false,
    sysctls: {},
    onlyOwnMac: false,
  }
}

/**
 * Of an IPv4 address always the same, as Docker's own: neighbours that know the address from an earlier container need not learn
 * anything. A driver whose links have no hardware address of their own is left alone.
 */
function macFor({ name }: NetworkDriver, address4: string): string {
  if (address4 === '' || name === 'ipvlan') return ''
  return formatMac(Uint8Array.of(0x02, 0x42, ...parseIp(bare(address4))))
}

function attachedOf(network: NetworkRecord, { id, address4, address6 }: GuestEndpoint): AttachedEndpoint {
  return { id, network, address4, address6 }
}

/** What the user said to this driver, without what dockerd tells every driver. */
function ownOptions(body: Fields): Labels {
  const all = Object.entries(labelsOf(body, 'Options'))
  return Object.fromEntries(all.filter(([name]) => !name.startsWith('com.docker.')))
}

/** In errors about ports. */
function nameOf({ id }: GuestEndpoint): string {
  return `${shortId(id)} of another engine`
}
