/**
 * What the address managers do for networks and endpoints. An address belongs to a container as long as that is on the network:
 * a fixed one to it alone, a dynamic one while others are left for others.
 */
import { TsnetError } from '../errors.ts'
import type { LinkIpam, NoIpam, PoolLeases, PoolRequest, PoolUsage, RecordedLease } from '../ipam/ipam.ts'
import type {
  ContainerRecord,
  EndpointRecord,
  NetworkRecord,
  NetworkSpec,
  PoolRecord,
} from '../store/records.ts'
import { containsIp, parseCidr } from '../values/cidr.ts'
import type { NetworkId } from '../values/id.ts'
import { driverContext } from './driver-context.ts'
import { foreignLeases } from './foreign-endpoints.ts'
import type { Parts } from './parts.ts'
import { findNetwork } from './references.ts'
import { clusterOf, isShared } from './shared-networks.ts'

export function bareAddress(address: string): string {
  return address.split('/', 1)[0] ?? ''
}

/** The manager of a network that has pools. What a cluster shares has its own, which goes by the same name. */
function poolsOf(parts: Parts, network: NetworkRecord): PoolLeases {
  if (isShared(network)) return clusterOf(parts).leases
  const ipam = parts.ipam(network.ipamDriver)
  if (ipam.from === 'pools') return ipam
  throw new TsnetError('internal', 'no-pools', `address manager ${ipam.name} has no pools`)
}

/** Whether addresses are given out by hardware addresses: then the interface has to have one before. */
export async function needsMac(parts: Parts, network: NetworkRecord): Promise<boolean> {
  if (isShared(network)) return false
  const ipam = parts.ipam(network.ipamDriver)
  return ipam.from === 'pools' && (await ipam.needsMac?.()) === true
}

function familyOf({ subnet }: PoolRecord): 4 | 6 {
  return subnet.includes(':') ? 6 : 4
}

/** The pools of a family, the one that holds `address` first. */
function poolsFor(network: NetworkRecord, family: 4 | 6, address: string): PoolRecord[] {
  const holds = (pool: PoolRecord): number =>
    Number(address !== '' && containsIp(parseCidr(pool.subnet), bareAddress(address)))
  return network.pools.filter((pool) => familyOf(pool) === family).sort((a, b) => holds(b) - holds(a))
}

/** The pool of a family from which an endpoint gets, or has, its address; undefined when the network has none. */
export function poolFor(
  network: NetworkRecord,
  family: 4 | 6,
  address: string | null,
): PoolRecord | undefined {
  return poolsFor(network, family, address ?? '')[0]
}

/** Takes the pools that a network asks for. Throws kind 'invalid' for pools that its address manager does not have. */
export async function requestPools(
  parts: Parts,
  undo: AsyncDisposableStack,
  id: NetworkId,
  spec: NetworkSpec,
): Promise<PoolRecord[]> {
  const ipam = parts.ipam(spec.ipamDriver)
  const driver = parts.networkDriver(spec.driver)
  if (ipam.from !== 'pools') {
    checkWithoutPools(spec, ipam)
    // What has an address of its own in every pool is nothing without one.
    if (ipam.from === 'nowhere' && driver.capabilities.gateway === 'always') {
      throw new TsnetError('invalid', 'no-pools', `ipv${spec.ipv4 ? 4 : 6} pool is empty`)
    }
    return []
  }
  const pools: PoolRecord[] = []
  const gatewayless = (await driver.gatewayless?.(driverContext(parts), spec)) ?? []
  for (const request of poolRequests(parts, spec)) {
    const isBare = request.gateway === '' && gatewayless.includes(request.family)
    const pool = await ipam.requestPool(id, isBare ? { ...request, gateway: null } : request)
    undo.defer(() => ipam.releasePool(pool))
    pools.push(pool)
  }
  return pools
}

/** What is asked of an address manager for a network: of each pool that the user gave, and of one for each further family. */
export function poolRequests(parts: Parts, spec: NetworkSpec): PoolRequest[] {
  const { capabilities, ownAddresses } = parts.networkDriver(spec.driver)
  const own = Object.fromEntries((ownAddresses?.(spec) ?? []).map((name) => [name, '']))
  return wantedPools(spec).map(({ family, pool: wanted }) => ({
    ...wanted,
    family,
    gateway: wanted.gateway === '' && capabilities.gateway === 'given' ? null : wanted.gateway,
    auxiliary: { ...own, ...wanted.auxiliary },
    options: spec.ipamOptions,
  }))
}

function checkWithoutPools(spec: NetworkSpec, ipam: LinkIpam | NoIpam): void {
  if (ipam.from === 'link' && (spec.ipv6 || !spec.ipv4)) {
    throw new TsnetError(
      'invalid',
      'no-pools',
      `${ipam.name} ipam driver gives IPv4 addresses and no others: leave out --ipv6 and --ipv4=false`,
    )
  }
  const given = spec.pools.find(({ subnet }) => subnet !== '')
  if (given === undefined) return
  throw new TsnetError(
    'invalid',
    'no-pools',
    `${ipam.name} ipam driver does not handle specific address pool requests: leave out subnet ${given.subnet}`,
  )
}

/** The families of which the user names a subnet: `0.0.0.0/26` and `::/64` name none, but ask for any of that size. */
export function givenFamilies({ pools }: NetworkSpec): (4 | 6)[] {
  const named = pools.filter(({ subnet }) => subnet !== '' && !/^(0\.0\.0\.0|::)\/[1-9]/.test(subnet))
  return [...new Set(named.map(familyOf))]
}

const anyPool: PoolRecord = { subnet: '', range: '', gateway: '', auxiliary: {} }

/** What the user gave, and one pool of the managers' choice for each family that was asked for but not given; as in Docker IPv4 comes first. */
function wantedPools(spec: NetworkSpec): { family: 4 | 6; pool: PoolRecord }[] {
  const given = spec.pools.map((pool) => ({ family: familyOf(pool), pool }))
  const enabled = [...(spec.ipv4 ? [4 as const] : []), ...(spec.ipv6 ? [6 as const] : [])]
  const missing = enabled.filter((family) => !given.some((pool) => pool.family === family))
  return [
    ...given.filter(({ family }) => enabled.includes(family)),
    ...missing.map((family) => ({ family, pool: anyPool })),
  ].sort((one, other) => one.family - other.family)
}

/** Safe to repeat. */
export async function releasePools(parts: Parts, network: NetworkRecord): Promise<void> {
  for (const pool of network.pools) await poolsOf(parts, network).releasePool(pool)
}

/** The use of each subnet of a network, by its CIDR. */
export function poolUsage(parts: Parts, network: NetworkRecord): Record<string, PoolUsage> {
  // Of a cluster that this daemon is no longer in nothing is known.
  if (isShared(network) && parts.cluster === null) return {}
  return Object.fromEntries(
    network.pools.map((pool) => [pool.subnet, poolsOf(parts, network).usage(pool)] as const),
  )
}

export type Addresses = Pick<EndpointRecord, 'address4' | 'address6' | 'gateway4' | 'gateway6'>

/** Leases an address of each family that the network has. */
export async function leaseAddresses(
  parts: Parts,
  undo: AsyncDisposableStack,
  network: NetworkRecord,
  endpoint: EndpointRecord,
): Promise<Addresses> {
  const result = { address4: '', address6: '', gateway4: '', gateway6: '' }
  const driver = parts.networkDriver(network.driver)
  if (driver.capabilities.addresses === 'driver') {
    const { address4, address6 } = endpoint.request
    return { ...result, address4: address4 ?? '', address6: address6 ?? '' }
  }
  for (const family of [4, 6] as const) {
    const lease = await leaseOne(parts, undo, network, endpoint, family)
    if (lease === null) continue
    result[`address${family}`] = lease.address
    result[`gateway${family}`] = driver.gatewayFor(network, lease.pool)
  }
  return result
}

/** From the pool of the address that is wanted, or was had before; from the next one when that has none left. */
async function leaseOne(
  parts: Parts,
  undo: AsyncDisposableStack,
  network: NetworkRecord,
  endpoint: EndpointRecord,
  family: 4 | 6,
): Promise<{ address: string; pool: PoolRecord } | null> {
  const fixed = endpoint.request[`address${family}`]
  const before = bareAddress(endpoint[`address${family}`])
  let full: unknown = null
  for (const pool of poolsFor(network, family, fixed ?? before)) {
    const ipam = poolsOf(parts, network)
    try {
      const wish = fixed === null ? { preferred: before } : { address: fixed }
      const mac = endpoint.request.mac ?? endpoint.mac
      const address = await ipam.lease(pool, endpoint.id, mac === '' ? wish : { ...wish, mac })
      const bare = bareAddress(address)
      // A fixed one was reserved before.
      if (fixed === null) {
        undo.defer(() => (bare === before ? ipam.keep : ipam.release).call(ipam, pool, endpoint.id, bare))
      }
      return { address, pool }
    } catch (error) {
      if (fixed !== null || !(error instanceof TsnetError && error.code === 'no-free-address')) throw error
      full ??= error
    }
  }
  if (full !== null) throw full
  return null
}

/** Gives an endpoint's addresses back, or, while its container exists, only the use of them. Safe to repeat. */
export async function releaseAddresses(
  parts: Parts,
  network: NetworkRecord,
  endpoint: EndpointRecord,
  keep: boolean,
): Promise<void> {
  for (const family of [4, 6] as const) {
    const fixed = endpoint.request[`address${family}`]
    const address = bareAddress(endpoint[`address${family}`]) || (fixed ?? '')
    const pool = address === '' ? undefined : poolFor(network, family, address)
    if (pool === undefined || (keep && fixed !== null)) continue
    const ipam = poolsOf(parts, network)
    if (keep) await ipam.keep(pool, endpoint.id, address)
    else await ipam.release(pool, endpoint.id, address)
  }
}

/** Fixed addresses are leased when the container is created, so that nobody else gets them while it is stopped. */
export async function reserveFixed(
  parts: Parts,
  undo: AsyncDisposableStack,
  endpoints: readonly EndpointRecord[],
): Promise<void> {
  for (const endpoint of endpoints) {
    const network = findNetwork(parts.store.networks, endpoint.network)
    for (const family of [4, 6] as const) {
      const address = endpoint.request[`address${family}`]
      const pool = address === null ? undefined : poolFor(network, family, address)
      if (address === null || pool === undefined) continue
      const ipam = poolsOf(parts, network)
      const { mac } = endpoint.request
      // It has none yet: then its start is soon enough.
      if (mac === null && (await needsMac(parts, network))) continue
      await ipam.lease(pool, endpoint.id, mac === null ? { address } : { address, mac })
      undo.defer(() => ipam.release(pool, endpoint.id, address))
    }
  }
}

/**
 * Address managers learn what the records say is leased: gateways, and the addresses of all containers. A manager that is missing
 * is logged.
 */
export async function adoptPools(
  parts: Parts,
  networks: Iterable<NetworkRecord> = parts.store.networks.values(),
): Promise<void> {
  // Of the addresses that are not in use, the longest unused is the first that another may have.
  const containers = [...parts.store.containers.values()].sort((a, b) =>
    a.state.finishedAt < b.state.finishedAt ? -1 : 1,
  )
  for (const network of networks) {
    try {
      await adoptPoolsOf(parts, network, containers)
    } catch (error) {
      parts.log.error(
        { err: error, network: network.name },
        'the addresses of a network could not be taken up',
      )
    }
  }
}

async function adoptPoolsOf(
  parts: Parts,
  network: NetworkRecord,
  containers: readonly ContainerRecord[],
): Promise<void> {
  const leases = [
    ...containers.flatMap((container) => leasesOf(parts, container, network)),
    ...foreignLeases(parts.store, network.id),
  ]
  for (const pool of network.pools) {
    const subnet = parseCidr(pool.subnet)
    const inPool = leases.filter(({ address }) => containsIp(subnet, address))
    await poolsOf(parts, network).adopt(network.id, pool, inPool)
  }
}

function leasesOf(parts: Parts, container: ContainerRecord, network: NetworkRecord): RecordedLease[] {
  const undecided = parts.moves.undecided.has(container.id)
  const running = container.state.status === 'running' || undecided
  return container.endpoints
    .filter((endpoint) => endpoint.network === network.id)
    .flatMap(({ id: owner, request, address4, address6 }) => [
      {
        owner,
        address: bareAddress(address4) || (request.address4 ?? ''),
        used: running || request.address4 !== null,
        undecided,
      },
      {
        owner,
        address: bareAddress(address6) || (request.address6 ?? ''),
        used: running || request.address6 !== null,
        undecided,
      },
    ])
    .filter(({ address }) => address !== '')
}
