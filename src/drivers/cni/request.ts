/** What an endpoint wants, in CNI's words: arguments for capabilities, and where a list has none of them. Pure. */
import { hasCapability } from '../../cni/chain.ts'
import { isObject, type JsonObject, type NetworkList, type PluginConfig } from '../../cni/network-list.ts'
import { TsnetError } from '../../errors.ts'
import type { PortBinding } from '../../store/records.ts'
import type { EndpointSpec } from '../driver.ts'
import { parseRates } from '../endpoint-rates.ts'

export interface Request {
  readonly capabilityArgs: JsonObject
  /** CNI_ARGS */
  readonly args: string
}

/** Throws kind 'invalid' for what no plugin of the list can do. */
export function requestOf(list: NetworkList, endpoint: EndpointSpec): Request {
  const { mac, ports = [], network } = endpoint
  const addresses = [endpoint.address4, endpoint.address6].filter((address) => address !== '')
  const bandwidth = bandwidthOf(endpoint)
  if (ports.length > 0) requireCapability(list, network.name, 'portMappings', 'ports are not published')
  if (bandwidth !== null) requireCapability(list, network.name, 'bandwidth', 'rates are not limited')
  const mappings = portMappings(ports)
  const capabilityArgs = {
    ...(mappings.length > 0 && { portMappings: mappings }),
    ...(addresses.length > 0 && { ips: addresses }),
    ...(mac !== '' && { mac }),
    ...(bandwidth !== null && { bandwidth }),
    ...(network.dnsServers.length > 0 && { dns: { servers: network.dnsServers } }),
    ...((endpoint.aliases ?? []).length > 0 && { aliases: { [network.name]: endpoint.aliases } }),
  }
  const asArguments = [
    ...(addresses.length > 0 && !hasCapability(list, 'ips') ? [`IP=${addresses.join(',')}`] : []),
    ...(mac !== '' && !hasCapability(list, 'mac') ? [`MAC=${mac}`] : []),
  ]
  const args = asArguments.length > 0 ? ['IgnoreUnknown=1', ...asArguments].join(';') : ''
  return { capabilityArgs, args }
}

function requireCapability(list: NetworkList, network: string, name: string, otherwise: string): void {
  if (hasCapability(list, name)) return
  throw new TsnetError(
    'invalid',
    'cni-capability',
    `network ${network}: none of its CNI plugins has the capability ${name}, without which ${otherwise}: add one to the list`,
  )
}

/** One entry for each port: ranges are unknown to CNI. */
function portMappings(ports: readonly PortBinding[]): object[] {
  const mappings = ports.flatMap(({ protocol, hostAddress, hostPort, containerPort, count }) =>
    Array.from({ length: count }, (_, offset) => ({
      hostPort: hostPort + offset,
      containerPort: containerPort + offset,
      protocol,
      // portmap takes no address for every one
      ...(hostAddress !== '' && hostAddress !== '0.0.0.0' && hostAddress !== '::' && { hostIP: hostAddress }),
    })),
  )
  // Both families' wildcards are one.
  return [...new Map(mappings.map((mapping) => [JSON.stringify(mapping), mapping])).values()]
}

/** In bits; what goes in and out is so from the container's side. */
function bandwidthOf({ options }: EndpointSpec): object | null {
  const rates = parseRates(options)
  if (rates.in === null && rates.out === null) return null
  return {
    ...(rates.in && { ingressRate: rates.in.rate * 8, ingressBurst: rates.in.burst * 8 }),
    ...(rates.out && { egressRate: rates.out.rate * 8, egressBurst: rates.out.burst * 8 }),
  }
}

/** Whether a list gives its containers a default route of a family. Of address plugins that keep their routes elsewhere it is supposed. */
export function leadsOut({ plugins }: NetworkList, family: 4 | 6): boolean {
  const [main] = plugins
  if (main === undefined) return false
  if (main['isDefaultGateway'] === true) return true
  const ipam = isObject(main['ipam']) ? main['ipam'] : {}
  if (ipam['type'] === undefined) return main.type !== 'bridge' && main.type !== 'ptp' && !isBare(main)
  if (ipam['type'] !== 'host-local' && ipam['type'] !== 'static') return true
  const routes: readonly unknown[] = Array.isArray(ipam['routes']) ? ipam['routes'] : []
  return routes.some((route) => isObject(route) && isDefault(route['dst'], family))
}

/** Plugins that make nothing but an interface. */
function isBare({ type }: PluginConfig): boolean {
  return ['macvlan', 'ipvlan', 'host-device', 'vlan', 'dummy', 'tap', 'loopback'].includes(type)
}

function isDefault(destination: unknown, family: 4 | 6): boolean {
  return (
    typeof destination === 'string' &&
    destination.endsWith('/0') &&
    destination.includes(':') === (family === 6)
  )
}
