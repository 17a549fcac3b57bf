/** A container's published ports: what it wants, where they lead, and how they follow when that changes. */
import { hostBindingsOf } from '../drivers/network-options.ts'
import { publishRules } from '../firewall/publish.ts'
import type { Rule } from '../firewall/rules.ts'
import { forgetUdpFlows } from '../netlink/conntrack.ts'
import type { PortTargets } from '../ports/reservation.ts'
import type { ContainerRecord, EndpointRecord, PortBinding, PublishedPort } from '../store/records.ts'
import { chooseDefaultRoutes, networkOf } from './endpoints.ts'
import type { Parts } from './parts.ts'

/** Reserves the host ports that a container wants. A container that nothing leads to gets none. */
export async function reservePublished(
  parts: Parts,
  container: ContainerRecord,
): Promise<readonly PublishedPort[]> {
  const { v4, v6 } = publishingEndpoints(parts, container)
  return reserve(parts, container, wantedPorts(container, hostAddressesOf(parts, v4 ?? v6)))
}

async function reserve(
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
  if (before.v4?.id === after.v4?.id && before.v6?.id === after.v6?.id) return container.published
  parts.ports.release(container.id)
  const published =
    container.published.length > 0
      ? await reserve(parts, changed, container.published.map(sameBinding))
      : await reservePublished(parts, changed)
  const add = containerRules(parts, { ...changed, published })
  await parts.firewall.apply({ add, remove: containerRules(parts, container) })
  forgetFlows(parts, published)
  return published
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

function sameBinding({ via: _via, ...port }: PublishedPort): PortBinding {
  return { ...port, hostPortEnd: port.hostPort + port.count - 1 }
}

/** The container's addresses to which its ports are published; '' where it has none that leads out. */
export function portTargets(parts: Parts, container: ContainerRecord): PortTargets {
  const { v4, v6 } = publishingEndpoints(parts, container)
  return { v4: bare(v4?.address4), v6: bare(v6?.address6) }
}

function bare(address: string | undefined): string {
  return address?.split('/')[0] ?? ''
}

/** Addresses for bindings that name none, as the network says. */
function hostAddressesOf(parts: Parts, endpoint: EndpointRecord | undefined): string[] {
  return endpoint === undefined ? [''] : hostBindingsOf(networkOf(parts, endpoint))
}

function wantedPorts(container: ContainerRecord, hostAddresses: readonly string[]): PortBinding[] {
  const { ports, publishAll } = container.spec
  const bound = new Set(
    ports.flatMap((port) =>
      Array.from({ length: port.count }, (_, offset) => `${port.containerPort + offset}/${port.protocol}`),
    ),
  )
  const rest = publishAll ? container.exposedPorts.filter((port) => !bound.has(port)).map(anyHostPort) : []
  return [...ports, ...rest].flatMap((port) =>
    port.hostAddress === '' ? hostAddresses.map((hostAddress) => ({ ...port, hostAddress })) : [port],
  )
}

function anyHostPort(exposed: string): PortBinding {
  const [port, protocol] = exposed.split('/')
  return {
    protocol: (protocol ?? 'tcp') as PortBinding['protocol'],
    containerPort: Number(port),
    hostAddress: '',
    hostInterface: '',
    sources: [],
    hostPort: 0,
    hostPortEnd: 0,
    count: 1,
  }
}

/** Ports are published to the endpoints that lead out, if their driver leaves that to the engine. */
function publishingEndpoints(
  parts: Parts,
  container: ContainerRecord,
): { v4: EndpointRecord | undefined; v6: EndpointRecord | undefined } {
  const defaults = chooseDefaultRoutes(parts, container.endpoints)
  const pick = (id: string): EndpointRecord | undefined => {
    const endpoint = container.endpoints.find((candidate) => candidate.id === id)
    if (endpoint === undefined) return undefined
    const driver = parts.networkDriver(networkOf(parts, endpoint).driver)
    return driver.capabilities.ports === 'engine' ? endpoint : undefined
  }
  return { v4: pick(defaults.v4), v6: pick(defaults.v6) }
}

/** The rules of a container's published ports; they follow from its record alone. */
export function containerRules(parts: Parts, container: ContainerRecord): readonly Rule[] {
  if (container.published.length === 0) return []
  const { v4, v6 } = publishingEndpoints(parts, container)
  return [v4, v6]
    .filter((endpoint, index, all) => endpoint !== undefined && all.indexOf(endpoint) === index)
    .flatMap((endpoint) =>
      endpoint === undefined
        ? []
        : publishRules(container.published, targetOf(parts, endpoint, endpoint === v4, endpoint === v6)),
    )
}

function targetOf(
  parts: Parts,
  endpoint: EndpointRecord,
  v4: boolean,
  v6: boolean,
): { owner: string; interface: string; address4: string; address6: string } {
  const bridge = parts.networkRules.get(endpoint.network)?.find((rule) => rule.kind === 'bridge')
  return {
    owner: endpoint.id,
    interface: bridge?.interface ?? '',
    address4: v4 ? bare(endpoint.address4) : '',
    address6: v6 ? bare(endpoint.address6) : '',
  }
}
