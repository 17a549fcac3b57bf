/** A network as dockerd tells it to its plugin, as a record of tsnet's. Pure. */
import type { NetworkDriver } from '../drivers/driver.ts'
import { TsnetError } from '../errors.ts'
import type { NetworkRecord, PoolRecord } from '../store/records.ts'
import { parseCidr } from '../values/cidr.ts'
import { type NetworkId, shortId } from '../values/id.ts'
import { type Fields, idOf, labelsOf, listOf, objectOf, textOf } from './fields.ts'

/** What dockerd's null address manager gives: no subnet at all. */
const noSubnet: readonly string[] = ['', '0.0.0.0/0', '::/0']

/** Throws kind 'invalid' for what the driver does not take. */
export function readNetwork(driver: NetworkDriver, body: Fields): NetworkRecord {
  const id = idOf<NetworkId>(body, 'NetworkID')
  const options = objectOf(body, 'Options')
  const pools = [...listOf(body, 'IPv4Data'), ...listOf(body, 'IPv6Data')].flatMap(readPool)
  const network: NetworkRecord = {
    id,
    name: shortId(id),
    driver: driver.name,
    internal: options['com.docker.network.internal'] === true,
    attachable: false,
    ipv4: pools.some(({ subnet }) => !subnet.includes(':')),
    ipv6: pools.some(({ subnet }) => subnet.includes(':')),
    ipamDriver: '',
    ipamOptions: {},
    pools,
    options: labelsOf(options, 'com.docker.network.generic'),
    labels: {},
    dnsServers: [],
    configOnly: false,
    configFrom: '',
    createdAt: new Date().toISOString(),
    predefined: false,
    givenFamilies: [],
    configuration: null,
  }
  driver.parseOptions(network)
  refuseOwnAddresses(driver, network)
  return network
}

function readPool(data: Fields): PoolRecord[] {
  const pool = textOf(data, 'Pool')
  if (noSubnet.includes(pool)) return []
  const { network, prefix } = parseCidr(pool)
  return [
    {
      subnet: `${network}/${prefix}`,
      range: '',
      gateway: bare(textOf(data, 'Gateway')),
      auxiliary: Object.fromEntries(
        Object.entries(labelsOf(data, 'AuxAddresses')).map(([name, address]) => [name, bare(address)]),
      ),
    },
  ]
}

/** Addresses for the network itself are the other engine's to give. */
function refuseOwnAddresses(driver: NetworkDriver, network: NetworkRecord): void {
  for (const name of driver.ownAddresses?.(network) ?? []) {
    if (network.pools.every(({ auxiliary }) => auxiliary[name])) continue
    throw new TsnetError(
      'invalid',
      'bad-driver-option',
      `network ${network.name}: the ${driver.name} driver needs an address for itself: give --aux-address ${name}=ADDRESS`,
    )
  }
}

/** Without prefix length. */
export function bare(address: string): string {
  return address.split('/', 1)[0] ?? ''
}
