/** What a container's name service is to know. */
import type { NameLink, ResolverOptions } from '../dns/server.ts'
import type { ContainerRecord, EndpointRecord, NetworkRecord } from '../store/records.ts'
import { allowsName } from './egress-policy.ts'
import { networkOf, usesNames } from './endpoints.ts'
import { linkIpamOf } from './link-leases.ts'
import type { Parts } from './parts.ts'

export function resolverOptions(parts: Parts, container: ContainerRecord): ResolverOptions {
  const networks = container.endpoints.map((endpoint) => networkOf(parts, endpoint))
  const { dnsServers, dnsOptions } = container.spec
  return {
    networks: networks.map((network) => network.id),
    links: container.endpoints.flatMap(linksOf),
    upstreams:
      [
        dnsServers,
        networks.flatMap((network) => network.dnsServers),
        leasedServers(parts, container),
        container.endpoints.flatMap(({ dns }) => dns?.nameservers ?? []),
      ].find((servers) => servers.length > 0) ?? [],
    forward: networks.some((network) => !network.internal),
    // who sets ndots means the search list to come first
    forwardBareNames: ![...dnsOptions, ...parts.resolver.configured.options].some((option) =>
      /^ndots:0*[1-9]/.test(option),
    ),
    ...egressNames(parts, container),
  }
}

/** A container that may not reach everything asks outside for what it may reach only: names would be a way out. */
function egressNames(
  parts: Parts,
  { spec: { egress } }: ContainerRecord,
): Pick<ResolverOptions, 'allows' | 'onAnswer'> {
  if (egress === null) return { allows: null, onAnswer: null }
  return {
    allows: (name) => egress.some((entry) => allowsName(entry, name)),
    onAnswer: (id, name, addresses, ttl) => parts.egress.grant(id, name, addresses, ttl),
  }
}

/** Those that came with the container's leases. */
function leasedServers(parts: Parts, container: ContainerRecord): string[] {
  return container.endpoints.flatMap((endpoint) => [
    ...(linkIpamOf(parts, networkOf(parts, endpoint))?.find(endpoint.id)?.nameServers ?? []),
  ])
}

/** `--link target` alone makes the target's own name the alias. */
function linksOf({ network, request }: EndpointRecord): NameLink[] {
  return request.links.map((link) => {
    const [target = '', alias = target] = link.split(':')
    // among the names is the short id
    return { network, alias, target: isFullId(target) ? target.slice(0, 12) : target }
  })
}

function isFullId(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text)
}

/** The name services of containers that run on a network learn what it says now. */
export function tellResolvers(parts: Parts, network: NetworkRecord): void {
  for (const container of parts.store.containers.values()) {
    if (container.state.status !== 'running' || !usesNames(parts, container)) continue
    if (!container.endpoints.some((endpoint) => endpoint.network === network.id)) continue
    parts.names.update(container.id, resolverOptions(parts, container))
  }
}
