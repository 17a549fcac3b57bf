/** A container's published ports: what it wants, where they lead, and how they follow when that changes. */
import type { NetworkDriver } from '../drivers/driver.ts'
import { hostBindingsOf, trustedInterfacesOf } from '../drivers/network-options.ts'
import { type PublishTarget, publishRules, trustedRules } from '../firewall/publish.ts'
import { type Batch, type BridgeRule, type PublishRule, type Rule, ruleKey } from '../firewall/rules.ts'
import { forgetUdpFlows } from '../netlink/conntrack.ts'
import { isFixed } from '../ports/choose.ts'
import type { PortTargets } from '../ports/reservation.ts'
import type { ContainerRecord, EndpointRecord, PortBinding, PublishedPort } from '../store/records.ts'
import { type PortRange, splitPortRange, subtractPortRanges } from '../values/port-range.ts'
import { chooseDefaultRoutes, networkOf } from './endpoints.ts'
import { linkIpamOf } from './link-leases.ts'
import type { Parts } from './parts.ts'
import { publishedForEach, rangeOf } from './port-set.ts'

/** Reserves the host ports that a container wants. A container that nothing leads to gets none. */
export async function reservePublished(
  parts: Parts,
  container: ContainerRecord,
): Promise<readonly PublishedPort[]> {
  return reserve(parts, container, wantedPorts(parts, container))
}

/** Reserves host ports beside those that a running container has. */
export async function reserve(
  parts: Parts,
  container: ContainerRecord,
  bindings: readonly PortBinding[],
): Promise<readonly PublishedPort[]> {
  const targets = portTargets(parts, container)
  if (bindings.length === 0 || (targets.v4 === '' && targets.v6 === '')) return []
  return parts.ports.reserve(container.id, container.name, bindings, targets)
}

/**
 * Leads published ports to where `changed` is reached, on the same host ports if `container` had some, and returns them.
 * Without a change of the way in nothing is touched.
 */
export async function followPorts(
  parts: Parts,
  container: ContainerRecord,
  changed: ContainerRecord,
): Promise<readonly PublishedPort[]> {
  const before = publishingEndpoints(parts, container)
  const after = publishingEndpoints(parts, changed)
  const isSame = (family: 'v4' | 'v6', address: 'address4' | 'address6'): boolean =>
    before[family]?.id === after[family]?.id && before[family]?.[address] === after[family]?.[address]
  if (isSame('v4', 'address4') && isSame('v6', 'address6')) return container.published
  parts.ports.release(container.id)
  const wanted = stay(wantedPorts(parts, changed), container.published)
  const published = await reserve(parts, changed, wanted)
  await parts.firewall.apply(changeRules(parts, container, { ...changed, published }))
  forgetFlows(parts, published)
  return published
}

/** The rules of ports that `changed` has and `container` has not, and the reverse. */
export function changeRules(parts: Parts, container: ContainerRecord, changed: ContainerRecord): Batch {
  return changeOf(portRules(parts, container), portRules(parts, changed))
}

/** What makes rules `after` of rules `before`. Its inverse is the way back. */
export function changeOf(before: readonly Rule[], after: readonly Rule[]): Batch {
  const [old, wanted] = [new Set(before.map(ruleKey)), new Set(after.map(ruleKey))]
  return {
    add: after.filter((rule) => !old.has(ruleKey(rule))),
    remove: before.filter((rule) => !wanted.has(ruleKey(rule))),
  }
}

/** Each on the host port that has been chosen for it, if one has. */
function stay(bindings: readonly PortBinding[], published: readonly PublishedPort[]): PortBinding[] {
  const each = publishedForEach(published, bindings)
  return bindings.map((binding, at) => {
    const before = each[at]?.find(({ via }) => via !== 'route')
    if (isFixed(binding) || before === undefined) return binding
    return { ...binding, hostPort: before.hostPort, hostPortEnd: before.hostPort + before.count - 1 }
  })
}

/** To be called when the rules of these ports have come or gone: flows that were under way follow. */
export function forgetFlows(parts: Parts, ports: readonly PublishedPort[]): void {
  try {
    forgetUdpFlows(
      ports
        .filter(({ protocol }) => protocol === 'udp')
        .map(({ hostAddress, hostPort, count }) => ({ address: hostAddress, first: hostPort, count })),
    )
  } catch (error) {
    parts.log.warn({ err: error }, 'old UDP flows may still lead to where published ports led before')
  }
}

/** Whether anything leads to the container. */
export function publishesPorts(parts: Parts, container: ContainerRecord): boolean {
  const { v4, v6 } = publishingEndpoints(parts, container)
  return v4 !== undefined || v6 !== undefined
}

/** The ports that a running container exposes where something could lead to them: not on host, none, macvlan and internal networks. */
export function exposedPorts(parts: Parts, container: ContainerRecord): readonly string[] {
  if (container.exposedPorts.length === 0 || container.state.status !== 'running') return []
  const { v4, v6 } = publishingEndpoints(parts, container, ['engine', 'driver', 'reserved'])
  return v4 === undefined && v6 === undefined ? [] : container.exposedPorts
}

/** The container's addresses to which its ports are published; '' where it has none that leads out. */
export function portTargets(parts: Parts, container: ContainerRecord): PortTargets {
  const { v4, v6 } = publishingEndpoints(parts, container)
  return {
    v4: bare(v4?.address4),
    v6: bare(v6?.address6),
    routed4: bridgeRule(parts, v4, 4)?.mode === 'routed',
    routed6: bridgeRule(parts, v6, 6)?.mode === 'routed',
  }
}

function bare(address: string | undefined): string {
  return address?.split('/')[0] ?? ''
}

/** What an endpoint's network says of a family. */
export function bridgeRule(
  parts: Parts,
  endpoint: EndpointRecord | undefined,
  family: 4 | 6,
): BridgeRule | undefined {
  if (endpoint === undefined) return undefined
  return parts.networkRules
    .get(endpoint.network)
    ?.filter((rule) => rule.kind === 'bridge')
    .find((rule) => rule.family === family)
}

/** All that a container wants published, where its networks say so: what it asked for, and what is exposed when it wants that. */
export function wantedPorts(parts: Parts, container: ContainerRecord): PortBinding[] {
  const { ports, publishAll } = container.spec
  const bound = ports.map(rangeOf)
  const rest = publishAll
    ? container.exposedPorts.flatMap((text) => subtractPortRanges(splitPortRange(text), bound))
    : []
  const addresses = hostAddresses(parts, container)
  return [...ports, ...rest.map(anyHostPort)].flatMap((port) =>
    port.hostAddress === '' && port.hostInterface === ''
      ? addresses.map((hostAddress) => ({ ...port, hostAddress }))
      : [port],
  )
}

/** Addresses for bindings that name none, as the network that leads out says. */
function hostAddresses(parts: Parts, container: ContainerRecord): readonly string[] {
  const { v4, v6 } = publishingEndpoints(parts, container)
  const endpoint = v4 ?? v6
  return endpoint === undefined ? [''] : hostBindingsOf(networkOf(parts, endpoint))
}

function anyHostPort({ first, last, protocol }: PortRange): PortBinding {
  return {
    protocol: protocol as PortBinding['protocol'],
    containerPort: first,
    hostAddress: '',
    hostInterface: '',
    sources: [],
    hostPolicy: '',
    hostPort: 0,
    hostPortEnd: 0,
    count: last - first + 1,
  }
}

/** Ports are published to the endpoints that lead out, here if their driver leaves that to the engine. */
function publishingEndpoints(
  parts: Parts,
  container: ContainerRecord,
  by: readonly NetworkDriver['capabilities']['ports'][] = ['engine'],
): { v4: EndpointRecord | undefined; v6: EndpointRecord | undefined } {
  const defaults = chooseDefaultRoutes(parts, container.endpoints)
  const pick = (id: string): EndpointRecord | undefined => {
    const endpoint = container.endpoints.find((candidate) => candidate.id === id)
    if (endpoint === undefined) return undefined
    const network = networkOf(parts, endpoint)
    // With an address from a server of the network outside it is reached there by that, without the host.
    if (linkIpamOf(parts, network) !== undefined) return undefined
    const driver = parts.networkDriver(network.driver)
    return by.includes(driver.capabilities.ports) ? endpoint : undefined
  }
  return { v4: pick(defaults.v4), v6: pick(defaults.v6) }
}

/** The rules of a container's published ports; they follow from its record alone. */
export function portRules(parts: Parts, container: ContainerRecord): readonly Rule[] {
  const { published } = container
  if (published.length === 0) return []
  return publishTargets(parts, container).flatMap(({ target, trusted }) => [
    ...publishRules(published, target),
    ...trustedRules(published, target, trusted),
  ])
}

/** Those of them that let trusted interfaces in to the container's own addresses. */
export function trustedPorts(parts: Parts, container: ContainerRecord): readonly PublishRule[] {
  return publishTargets(parts, container).flatMap(({ target, trusted }) =>
    trustedRules(container.published, target, trusted),
  )
}

/** Where ports are published to, each with its network's trusted interfaces. */
function publishTargets(
  parts: Parts,
  container: ContainerRecord,
): { target: PublishTarget; trusted: readonly string[] }[] {
  const { v4, v6 } = publishingEndpoints(parts, container)
  return [...new Set([v4, v6])]
    .filter((endpoint) => endpoint !== undefined)
    .map((endpoint) => ({
      target: targetOf(parts, endpoint, endpoint === v4, endpoint === v6),
      trusted: trustedInterfacesOf(networkOf(parts, endpoint), parts),
    }))
}

function targetOf(parts: Parts, endpoint: EndpointRecord, v4: boolean, v6: boolean): PublishTarget {
  const bridge = bridgeRule(parts, endpoint, 4) ?? bridgeRule(parts, endpoint, 6)
  return {
    owner: endpoint.id,
    interface: bridge?.interface ?? '',
    address4: v4 ? bare(endpoint.address4) : '',
    address6: v6 ? bare(endpoint.address6) : '',
  }
}
