/** Networks on the wire. */
import type { NetworkPeer, NetworkWish } from '../../engine/engine.ts'
import { operatorFields } from '../../engine/network-configuration.ts'
import { isShared } from '../../engine/shared-networks.ts'
import { type ErrorKind, TsnetError } from '../../errors.ts'
import type { PoolUsage } from '../../ipam/ipam.ts'
import type {
  ContainerRecord,
  EndpointRecord,
  NetworkRecord,
  NetworkSpec,
  PoolRecord,
} from '../../store/records.ts'
import {
  type Cidr,
  containsCidr,
  containsIp,
  formatCidr,
  hasHostBits,
  isCidr,
  parseCidr,
} from '../../values/cidr.ts'
import { canonicalIp, ipFamily, isIp } from '../../values/ip.ts'
import {
  booleanFilter,
  type Filters,
  matchesAny,
  matchesLabels,
  matchesLabelsNot,
  matchesName,
  untilFilter,
} from '../filters.ts'
import type { NetworkCreate, NetworkInspect } from '../schema/network.ts'

type PoolConfig = NonNullable<NonNullable<NonNullable<NetworkCreate['IPAM']>['Config']>>[number]

/** Throws kind 'invalid' with all that is wrong with the pools, 'forbidden' and 'unavailable' for what belongs to a swarm. */
export function toNetworkWish(body: NetworkCreate, apiVersion: number): NetworkWish {
  refuseScope(body)
  const dnsServers = (body.DnsServers ?? []).map(checkServer)
  const configs = body.IPAM?.Config ?? []
  checkPools(configs)
  return {
    name: body.Name ?? '',
    driver: body.Driver || 'bridge',
    internal: body.Internal === true,
    attachable: body.Attachable === true,
    ipv4: apiVersion < 48 ? null : (body.EnableIPv4 ?? null),
    ipv6: body.EnableIPv6 ?? null,
    ipamDriver: body.IPAM?.Driver || 'default',
    ipamOptions: body.IPAM?.Options ?? {},
    pools: configs.map(toPool),
    options: body.Options ?? {},
    labels: body.Labels ?? {},
    dnsServers,
    configOnly: body.ConfigOnly === true,
    configFrom: body.ConfigFrom?.Network ?? '',
  }
}

function checkServer(address: string): string {
  if (isIp(address)) return canonicalIp(address)
  throw new TsnetError('invalid', 'bad-name-server', `name server ${address} is not an IP address`)
}

/** With Docker's sentences for a daemon that is in no swarm: what overlay networks span is a cluster. */
function refuseScope({ Ingress: ingress, Scope: scope, Driver: driver, ConfigOnly }: NetworkCreate): void {
  if (ConfigOnly === true && (ingress === true || scope)) throw operatorFields()
  if (ingress === true) throw noSwarm('forbidden', 'Ingress network can only be global scope network')
  if (scope === 'local' && driver === 'overlay') {
    throw new TsnetError('forbidden', 'bad-scope', 'cannot downgrade network scope for overlay networks')
  }
  if (!scope || scope === 'local' || (scope === 'global' && driver === 'overlay')) return
  if (scope === 'swarm') {
    throw noSwarm('forbidden', 'cannot create a swarm scoped network when swarm is not active')
  }
  throw noSwarm(
    'unavailable',
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  )
}

function noSwarm(kind: ErrorKind, message: string): TsnetError {
  return new TsnetError(kind, 'no-swarm', message)
}

function toPool(config: PoolConfig): PoolRecord {
  return {
    subnet: config.Subnet ?? '',
    range: config.IPRange ?? '',
    gateway: config.Gateway ?? '',
    auxiliary: config.AuxiliaryAddresses ?? {},
  }
}

function checkPools(configs: readonly PoolConfig[]): void {
  const problems = configs.flatMap((config) => poolProblems(toPool(config)))
  if (problems.length === 0) return
  const text = problems.length === 1 ? problems[0]! : `* ${problems.join('\n* ')}`
  throw new TsnetError('invalid', 'bad-network-pool', `invalid network config:\n${text}`)
}

/** Docker tells everything that is wrong at once, in these words. */
function poolProblems({ subnet: text, range, gateway, auxiliary }: PoolRecord): string[] {
  if (text === '' && range === '' && gateway === '' && Object.keys(auxiliary).length === 0) return []
  if (!isCidr(text)) return [`invalid subnet ${text}: invalid CIDR block notation`]
  const subnet = parseCidr(text)
  return [
    ...(hasHostBits(subnet) ? [`invalid subnet ${text}: it should be ${formatCidr(subnet)}`] : []),
    ...rangeProblems(range, subnet),
    ...addressProblems(gateway, subnet).map((problem) => `invalid gateway ${gateway}: ${problem}`),
    ...Object.entries(auxiliary).flatMap(([name, address]) =>
      addressProblems(address, subnet).map((problem) => `invalid auxiliary address ${name}: ${problem}`),
    ),
  ]
}

function rangeProblems(text: string, subnet: Cidr): string[] {
  if (text === '') return []
  const subject = `invalid ip-range ${text}`
  if (!isCidr(text)) return [`${subject}: invalid CIDR block notation`]
  const range = parseCidr(text)
  const parent = formatCidr(subnet)
  if (range.family !== subnet.family) return [`${subject}: parent subnet is an IPv${subnet.family} block`]
  if (range.prefix < subnet.prefix)
    return [`${subject}: CIDR block is bigger than its parent subnet ${parent}`]
  return [
    ...(hasHostBits(range) ? [`${subject}: it should be ${formatCidr(range)}`] : []),
    ...(containsCidr(subnet, range) ? [] : [`${subject}: parent subnet ${parent} doesn't contain ip-range`]),
  ]
}

function addressProblems(address: string, subnet: Cidr): string[] {
  if (address === '') return []
  if (!isIp(address)) return ['invalid address']
  if (ipFamily(address) !== subnet.family) return [`parent subnet is an IPv${subnet.family} block`]
  return containsIp(subnet, address)
    ? []
    : [`parent subnet ${formatCidr(subnet)} doesn't contain this address`]
}

export type NetworkUser = { readonly container: ContainerRecord; readonly endpoint: EndpointRecord }

/** `users` are the endpoints of running containers; lists leave them out. */
export function toNetworkInspect(network: NetworkRecord, users: readonly NetworkUser[]): NetworkInspect {
  return {
    Name: network.name,
    Id: network.id,
    Created: network.createdAt,
    Scope: scopeOf(network),
    Driver: network.driver,
    EnableIPv4: network.ipv4,
    EnableIPv6: network.ipv6,
    IPAM: {
      Driver: network.ipamDriver,
      Options:
        Object.keys(network.ipamOptions).length > 0 || !network.predefined ? network.ipamOptions : null,
      Config: (network.configuration?.pools ?? network.pools).map(fromPool),
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: network.configFrom },
    ConfigOnly: network.configOnly,
    Containers: Object.fromEntries(
      users.map(({ container, endpoint }) => [container.id, toUser(container, endpoint)]),
    ),
    Options: network.configuration?.options ?? network.options,
    Labels: network.labels,
    ...(network.dnsServers.length > 0 && { DnsServers: network.dnsServers }),
  }
}

function scopeOf(network: NetworkSpec): string {
  return isShared(network) ? 'global' : 'local'
}

/** Of a network that a cluster shares: who has what on it. `Peers` is Docker's. */
export function toPeers(peers: readonly NetworkPeer[]): Pick<NetworkInspect, 'Peers' | 'Hosts'> {
  const hosts = peers.map(({ name, address, endpoints }) => {
    const own = endpoints.map((endpoint) => [endpoint.container, toPeerEndpoint(endpoint)] as const)
    return [name, { Address: address, Containers: Object.fromEntries(own) }] as const
  })
  return {
    Peers: peers.map(({ name, address }) => ({ Name: name, IP: address })),
    Hosts: Object.fromEntries(hosts),
  }
}

function toPeerEndpoint({
  id,
  containerName,
  names,
  mac,
  address4,
  address6,
}: NetworkPeer['endpoints'][number]) {
  return {
    Name: containerName,
    EndpointID: id,
    MacAddress: mac,
    IPv4Address: address4,
    IPv6Address: address6,
    DNSNames: names,
  }
}

/** What Docker tells of a network's addresses since 1.52. */
export function toNetworkStatus(
  usage: Readonly<Record<string, PoolUsage>>,
): NonNullable<NetworkInspect['Status']> {
  const subnets = Object.entries(usage).map(
    ([subnet, { inUse, available }]) =>
      [subnet, { IPsInUse: inUse, DynamicIPsAvailable: available }] as const,
  )
  return { IPAM: { Subnets: Object.fromEntries(subnets) } }
}

function fromPool({ subnet, range, gateway, auxiliary }: PoolRecord) {
  return {
    Subnet: subnet,
    ...(range !== '' && { IPRange: range }),
    ...(gateway !== '' && { Gateway: gateway }),
    ...(Object.keys(auxiliary).length > 0 && { AuxiliaryAddresses: auxiliary }),
  }
}

function toUser(container: ContainerRecord, endpoint: EndpointRecord) {
  return {
    Name: container.name,
    EndpointID: endpoint.id,
    MacAddress: endpoint.mac,
    IPv4Address: endpoint.address4,
    IPv6Address: endpoint.address6,
  }
}

export const networkFilters: readonly string[] = [
  'dangling',
  'driver',
  'id',
  'label',
  'name',
  'scope',
  'type',
]

/** `isUsed` tells whether a running container is on it. */
export function selectNetworks(
  networks: readonly NetworkRecord[],
  filters: Filters,
  isUsed: (network: NetworkRecord) => boolean,
): NetworkRecord[] {
  const dangling = booleanFilter(filters, 'dangling')
  for (const type of filters.get('type') ?? []) checkType(type)
  return networks.filter(
    (network) =>
      matchesAny(filters, 'driver', (driver) => driver === network.driver) &&
      matchesName(filters, 'id', network.id) &&
      matchesName(filters, 'name', network.name) &&
      matchesLabels(filters, network.labels) &&
      matchesAny(filters, 'scope', (scope) => scope === scopeOf(network)) &&
      matchesAny(filters, 'type', (type) => (type === 'builtin') === network.predefined) &&
      (dangling === undefined || dangling === (!network.predefined && !isUsed(network))),
  )
}

function checkType(type: string): void {
  if (type === 'builtin' || type === 'custom') return
  throw new TsnetError('invalid', 'bad-filter', `invalid filter 'type=${type}': it must be builtin or custom`)
}

export const pruneFilters: readonly string[] = ['label', 'label!', 'until']

/** `now` in milliseconds since the epoch. */
export function selectPruned(filters: Filters, now: number): (network: NetworkRecord) => boolean {
  const until = untilFilter(filters, now)
  return ({ labels, createdAt }) =>
    matchesLabels(filters, labels) &&
    matchesLabelsNot(filters, labels) &&
    (until === undefined || Date.parse(createdAt) <= until)
}
