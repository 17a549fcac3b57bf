/** What a network gets that a cluster is to share: subnets and a VNI that no other has. */
import { vniOf as overlayVni, vniOption } from '../drivers/overlay/options.ts'
import { TsnetError } from '../errors.ts'
import { type LocalIpamOptions, planPools } from '../ipam/local.ts'
import { uniqueLocalPool } from '../ipam/subnets.ts'
import type { NetworkRecord } from '../store/records.ts'
import { poolRequests } from './addresses.ts'
import type { Parts } from './parts.ts'
import { isShared } from './shared-networks.ts'

/** The numbers below are left to what else uses VXLAN; there are 24 bits of them. */
const vnis = { first: 4096, last: 2 ** 24 - 1 } as const

/** Where shared networks without a subnet get theirs: apart from where hosts put networks of their own. */
const sharedPool = { base: '10.128.0.0/9', size: 24 } as const

/** `present` are the networks that the cluster has. Throws kind 'conflict' and 'forbidden' for what others have. */
export function planNetwork(
  parts: Parts,
  wanted: NetworkRecord,
  present: readonly NetworkRecord[],
): NetworkRecord {
  const local = [...parts.store.networks.values()].filter((network) => !isShared(network))
  const neighbours = [...present, ...local]
  const describe = (id: string): string => {
    const found = neighbours.find((network) => network.id === id)
    return found === undefined ? `network ${wanted.name}` : `network ${found.name}`
  }
  const taken = neighbours.flatMap(({ id, pools }) => pools.map(({ subnet }) => ({ owner: id, subnet })))
  const pools = planPools(poolOptions(parts, wanted, describe), taken, wanted.id, poolRequests(parts, wanted))
  const vni = vniOf(wanted, present)
  return { ...wanted, pools, options: { ...wanted.options, [vniOption]: String(vni) } }
}

function poolOptions(
  parts: Parts,
  wanted: NetworkRecord,
  describeOwner: (id: string) => string,
): LocalIpamOptions {
  return {
    defaultPools: [sharedPool, uniqueLocalPool(wanted.id)],
    installationId: wanted.id,
    usedRoutes: () => [...parts.usedRoutes(), ...parts.addressPools.map(({ base }) => base)],
    describeOwner,
  }
}

function vniOf(wanted: NetworkRecord, present: readonly NetworkRecord[]): number {
  const taken = new Map(present.map((network) => [overlayVni(network), network.name]))
  const given = overlayVni(wanted)
  if (given === 0) return firstFree(taken)
  const holder = taken.get(given)
  if (holder === undefined) return given
  throw new TsnetError(
    'conflict',
    'vni-in-use',
    `VNI ${given} is that of network ${holder} already: give another one, or none to be given one`,
  )
}

function firstFree(taken: ReadonlyMap<number, string>): number {
  for (let vni = vnis.first; vni <= vnis.last; vni++) if (!taken.has(vni)) return vni
  throw new TsnetError('unavailable', 'no-vni', 'no VNI is free: remove networks of the cluster')
}
