/** What a daemon that is given a cluster has more than others. */
import { join } from 'node:path'
import type { Config } from '../config/config.ts'
import { openTunnelKeys } from '../drivers/overlay/encryption.ts'
import { createClusterIpam } from '../ipam/cluster/index.ts'
import type { Logger } from '../log.ts'
import type { Store } from '../store/store.ts'
import type { Supervisor } from '../supervisor/client.ts'
import { version } from '../version.ts'
import { LeaseHandover } from './lease-handover.ts'
import { leaveCluster } from './left-cluster.ts'
import type { ClusterParts } from './shared-networks.ts'
import { findUnderlay } from './underlay.ts'

export interface ClusterSurroundings {
  readonly log: Logger
  readonly store: Store
  readonly supervisor: Supervisor
  /** By which this daemon's things in the kernel are known. */
  readonly mark: string
  /** The installation's id. */
  readonly id: string
  /** A network's or endpoint's id in words. */
  readonly describeOwner: (id: string) => string
  /** An endpoint's address is another host's. */
  readonly onLost: (endpoint: string, reason: string) => void
}

/**
 * Joins the cluster, at once or when etcd answers. Null without one. Throws kind 'invalid' for settings that cannot be, 'conflict' when
 * another installation has the host's name, or without a cluster when containers run on networks of one.
 */
export async function joinAsHost(
  config: Config,
  { log, store, supervisor, mark, id, describeOwner, onLost }: ClusterSurroundings,
): Promise<ClusterParts | null> {
  if (config.cluster === '') {
    await leaveCluster({ log, store, supervisor, mark })
    return null
  }
  // They take 150 ms and 30 MB, which a daemon without a cluster has not to pay.
  const [{ joinCluster }, { parseClusterUrl }] = await Promise.all([
    import('../cluster/join.ts'),
    import('../cluster/url.ts'),
  ])
  const underlay = findUnderlay(config.advertise)
  const keys = openTunnelKeys(join(config.dataRoot, 'wireguard.keys'))
  const node = {
    name: config.nodeName,
    id,
    ...underlay,
    publicKey: keys?.current.publicKey ?? '',
    nextPublicKey: keys?.next?.publicKey ?? '',
    version,
    joinedAt: new Date().toISOString(),
  }
  const url = parseClusterUrl(config.cluster)
  const handover = new LeaseHandover({ url, store, supervisor, log })
  const state = await joinCluster({ url, node, log, keeper: handover })
  const leases = createClusterIpam({
    cluster: state,
    log,
    describeOwner,
    kept: keptBlocks(store),
    onLost: (endpoint, address, holder) =>
      onLost(endpoint, `its address ${address} is now that of ${holder}`),
  })
  return { state, leases, keys, handover, active: new Map(), names: new Set() }
}

function keptBlocks({ settings }: Store): Parameters<typeof createClusterIpam>[0]['kept'] {
  const keyOf = (network: string, subnet: string): string => `blocks ${network} ${subnet}`
  return {
    read: (network, subnet) => JSON.parse(settings.get(keyOf(network, subnet)) ?? '{}'),
    write(network, subnet, held) {
      if (held === null) settings.delete(keyOf(network, subnet))
      else settings.put(keyOf(network, subnet), JSON.stringify(held))
    },
  }
}
