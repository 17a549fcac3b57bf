/** The networks that are always there: bridge, as the daemon's settings want it, host and none. */
import type { DefaultNetwork } from '../config/config.ts'
import type { Labels, NetworkRecord, NetworkSpec, PoolRecord } from '../store/records.ts'
import { formatCidr, parseCidr } from '../values/cidr.ts'
import { type NetworkId, newId } from '../values/id.ts'
import { givenFamilies } from './addresses.ts'
import { dismantleNetwork, makeNetwork } from './networks.ts'
import type { Parts } from './parts.ts'

/** As docker0 has it. */
const usualBridge = '172.17.0.1/16'

const noSpec = {
  internal: false,
  attachable: false,
  ipv4: true,
  ipv6: false,
  ipamDriver: 'default',
  ipamOptions: {},
  pools: [],
  options: {},
  labels: {},
  dnsServers: [],
  configOnly: false,
  configFrom: '',
} as const

export async function makePredefined(parts: Parts, settings: DefaultNetwork): Promise<void> {
  await makeDefault(parts, { ...noSpec, ...defaultSpec(parts, settings) })
  for (const [name, driver] of [
    ['host', 'host'],
    ['none', 'null'],
  ] as const) {
    if (findByName(parts, name) === undefined)
      await make(parts, { ...noSpec, name, driver }, newId<NetworkId>())
  }
}

function findByName(parts: Parts, name: string): NetworkRecord | undefined {
  return parts.store.networks.values().find((network) => network.name === name)
}

async function make(parts: Parts, spec: NetworkSpec, id: NetworkId): Promise<void> {
  const own = {
    id,
    createdAt: new Date().toISOString(),
    predefined: true,
    givenFamilies: givenFamilies(spec),
    configuration: null,
  }
  const network = await makeNetwork(parts, { ...spec, ...own })
  parts.events.emit('network', 'create', id, { name: network.name, type: network.driver })
}

/** A default network that is otherwise than wanted is made anew, under its id, unless containers run on it. */
async function makeDefault(parts: Parts, spec: NetworkSpec): Promise<void> {
  const present = findByName(parts, 'bridge')
  if (present === undefined) return make(parts, spec, newId<NetworkId>())
  if (isAsWanted(present, spec)) return
  if (hasUsers(parts, present)) {
    const message = 'the default network keeps its settings: containers run on it'
    parts.log.warn({ options: present.options, pools: present.pools }, message)
    return
  }
  await dismantleNetwork(parts, present)
  // what is not the daemon's to say stays
  const { labels, dnsServers } = present
  await make(parts, { ...spec, labels, dnsServers }, present.id)
}

function hasUsers(parts: Parts, { id }: NetworkRecord): boolean {
  return parts.store.containers
    .values()
    .some(
      ({ state, endpoints }) => state.status === 'running' && endpoints.some(({ network }) => network === id),
    )
}

function isAsWanted(present: NetworkRecord, spec: NetworkSpec): boolean {
  const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other)
  return (
    present.ipv6 === spec.ipv6 &&
    same(sorted(present.options), sorted(spec.options)) &&
    spec.pools.every((pool) => present.pools.some((other) => isPool(pool, other)))
  )
}

function sorted(labels: Labels): [string, string][] {
  return Object.entries(labels).sort()
}

/** A gateway that was left to the daemon may be any. */
function isPool(wanted: PoolRecord, present: PoolRecord): boolean {
  return (
    wanted.subnet === present.subnet &&
    wanted.range === present.range &&
    (wanted.gateway === '' || wanted.gateway === present.gateway) &&
    JSON.stringify(wanted.auxiliary) === JSON.stringify(present.auxiliary)
  )
}

function defaultSpec(
  parts: Parts,
  settings: DefaultNetwork,
): Pick<NetworkSpec, 'name' | 'driver' | 'ipv6' | 'pools' | 'options'> {
  const { bip, bip6, fixedCidr, fixedCidr6, gateway4, gateway6, ipv6 } = settings
  const pool4 = poolOf(
    bip || (fixedCidr === '' ? usualBridge : ''),
    fixedCidr,
    'DefaultGatewayIPv4',
    gateway4,
  )
  const has6 = bip6 !== '' || fixedCidr6 !== ''
  const pool6 = has6 ? [poolOf(bip6, fixedCidr6, 'DefaultGatewayIPv6', gateway6)] : []
  return {
    name: 'bridge',
    driver: 'bridge',
    ipv6: ipv6 || has6,
    pools: [pool4, ...pool6],
    options: { 'com.docker.network.bridge.name': parts.defaultBridge, ...defaultOptions(settings) },
  }
}

/** Without an address of the bridge the subnet is the range itself, as in Docker. */
function poolOf(bridge: string, range: string, gatewayKey: string, gateway: string): PoolRecord {
  const auxiliary = gateway === '' ? {} : { [gatewayKey]: gateway }
  if (bridge === '') return { subnet: formatCidr(parseCidr(range)), range, gateway: '', auxiliary }
  const cidr = parseCidr(bridge)
  return { subnet: formatCidr(cidr), range, gateway: cidr.address, auxiliary }
}

/** Only what differs from the driver's defaults. */
function defaultOptions({ icc, masquerade, hostAddress, mtu }: DefaultNetwork): Labels {
  return {
    ...(!icc && { 'com.docker.network.bridge.enable_icc': 'false' }),
    ...(!masquerade && { 'com.docker.network.bridge.enable_ip_masquerade': 'false' }),
    ...(hostAddress !== '' && { 'com.docker.network.bridge.host_binding_ipv4': hostAddress }),
    ...(mtu !== 0 && { 'com.docker.network.driver.mtu': String(mtu) }),
  }
}
