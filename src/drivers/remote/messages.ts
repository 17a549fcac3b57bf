/** What is said between tsnet and a network plugin: the fields of libnetwork's remote driver API. Pure. */
import { TsnetError } from '../../errors.ts'
import type { PluginAnswer } from '../../plugins/plugin.ts'
import type { NetworkRecord, NetworkSpec, PoolRecord, PortBinding } from '../../store/records.ts'
import { isCidr, parseCidr } from '../../values/cidr.ts'
import { isIp } from '../../values/ip.ts'
import type { EndpointSpec } from '../driver.ts'

export function createNetworkBody(network: NetworkRecord): object {
  const data = (family: 4 | 6): object[] =>
    network.pools.filter(({ subnet }) => subnet.includes(':') === (family === 6)).map(ipamData)
  return {
    NetworkID: network.id,
    Options: networkOptions(network),
    IPv4Data: data(4),
    IPv6Data: data(6),
  }
}

export function networkOptions({ options, ipv4, ipv6, internal }: NetworkSpec): object {
  return {
    'com.docker.network.generic': options,
    'com.docker.network.enable_ipv4': ipv4,
    'com.docker.network.enable_ipv6': ipv6,
    ...(internal && { 'com.docker.network.internal': true }),
  }
}

function ipamData({ subnet, gateway, auxiliary }: PoolRecord): object {
  const withPrefix = (address: string): string =>
    address === '' ? '' : `${address}/${parseCidr(subnet).prefix}`
  return {
    AddressSpace: 'LocalDefault',
    Pool: subnet,
    Gateway: withPrefix(gateway),
    AuxAddresses: Object.fromEntries(
      Object.entries(auxiliary).map(([name, address]) => [name, withPrefix(address)]),
    ),
  }
}

export function createEndpointBody({
  id,
  network,
  mac,
  address4,
  address6,
  options,
  ports,
}: EndpointSpec): object {
  return {
    NetworkID: network.id,
    EndpointID: id,
    Interface: { Address: address4, AddressIPv6: address6, MacAddress: mac },
    Options: { ...options, ...portOptions(ports ?? []) },
  }
}

const protocolNumbers = { tcp: 6, udp: 17, sctp: 132 } as const

/** Ports as numbers of protocols and ports, one entry for each of a range. */
export function portOptions(ports: readonly PortBinding[]): object {
  const each = ports.flatMap((port) =>
    Array.from({ length: port.count }, (_, offset) => ({ ...port, offset })),
  )
  return {
    'com.docker.network.portmap': each.map(
      ({ protocol, containerPort, hostAddress, hostPort, hostPortEnd, offset }) => ({
        Proto: protocolNumbers[protocol],
        IP: '',
        Port: containerPort + offset,
        HostIP: hostAddress,
        HostPort: hostPort === 0 ? 0 : hostPort + offset,
        HostPortEnd: hostPort === 0 ? 0 : Math.max(hostPortEnd, hostPort + offset),
      }),
    ),
    'com.docker.network.endpoint.exposedports': each.map(({ protocol, containerPort, offset }) => ({
      Proto: protocolNumbers[protocol],
      Port: containerPort + offset,
    })),
  }
}

export type Interface = Pick<EndpointSpec, 'mac' | 'address4' | 'address6'>

/** What the plugin chose where nothing was given. Throws code 'plugin-answer' where it says something else than was given. */
export function readInterface(driver: string, answer: PluginAnswer, given: Interface): Interface {
  const told = (answer['Interface'] ?? {}) as PluginAnswer
  const choose = (field: string, known: string, isRight: (text: string) => boolean): string => {
    const value = told[field] ?? ''
    if (value === '' || value === known) return known
    if (typeof value === 'string' && known === '' && isRight(value)) return value
    const why = known === '' ? 'is none' : `is not ${known}, which was given`
    throw wrongAnswer(driver, 'CreateEndpoint', `${field} ${JSON.stringify(value)} ${why}`)
  }
  return {
    mac: choose('MacAddress', given.mac, (text) => /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)),
    address4: choose('Address', given.address4, isCidr),
    address6: choose('AddressIPv6', given.address6, isCidr),
  }
}

export interface StaticRoute {
  readonly destination: string
  /** '' for what is on the link itself */
  readonly nextHop: string
}

export interface Joined {
  /** The link to be moved into the sandbox, '' when the plugin has seen to that itself. */
  readonly source: string
  /** What it is to be called there, or what its name is to begin with; '' where the plugin does not say. */
  readonly name: string
  readonly prefix: string
  readonly gateway4: string
  readonly gateway6: string
  /** Those on the link first: the others may lead through them. */
  readonly routes: readonly StaticRoute[]
}

/** Throws code 'plugin-answer' for what is no address. */
export function readJoin(driver: string, answer: PluginAnswer): Joined {
  const names = (answer['InterfaceName'] ?? {}) as PluginAnswer
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  const gateway = (field: string): string => {
    const value = text(answer[field])
    if (value === '' || isIp(value)) return value
    throw wrongAnswer(driver, 'Join', `${field} ${JSON.stringify(value)} is no address`)
  }
  const routes = Array.isArray(answer['StaticRoutes']) ? (answer['StaticRoutes'] as PluginAnswer[]) : []
  return {
    source: text(names['SrcName']),
    name: text(names['DstName']),
    prefix: text(names['DstPrefix']),
    gateway4: gateway('Gateway'),
    gateway6: gateway('GatewayIPv6'),
    routes: routes
      .map((route: unknown) => (typeof route === 'object' && route !== null ? (route as PluginAnswer) : {}))
      .map((route) => readRoute(driver, route))
      .sort((a, b) => Number(a.nextHop !== '') - Number(b.nextHop !== '')),
  }
}

/** RouteType 1 means that the destination is on the link itself. */
function readRoute(driver: string, route: PluginAnswer): StaticRoute {
  const destination = String(route['Destination'])
  const nextHop = route['RouteType'] === 1 ? '' : String(route['NextHop'])
  if (isCidr(destination) && (nextHop === '' || isIp(nextHop))) return { destination, nextHop }
  throw wrongAnswer(driver, 'Join', `${JSON.stringify(route)} is no route`)
}

function wrongAnswer(driver: string, method: string, what: string): TsnetError {
  return new TsnetError(
    'internal',
    'plugin-answer',
    `driver ${driver}: its answer to NetworkDriver.${method} is wrong: ${what}`,
  )
}
