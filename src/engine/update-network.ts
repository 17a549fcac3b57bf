/** What can be changed of a network while containers are on it: its labels, and the name servers that they ask. */
import { TsnetError } from '../errors.ts'
import type { NetworkRecord } from '../store/records.ts'
import { canonicalIp, isIp } from '../values/ip.ts'
import { rewriteNetwork } from './cluster-networks.ts'
import type { NetworkChange } from './engine.ts'
import type { Parts } from './parts.ts'
import { tellResolvers } from './resolver-options.ts'
import { isShared } from './shared-networks.ts'

/** Throws kind 'invalid' for what is no address or not there to be dropped; nothing is changed then. */
export async function updateNetwork(
  parts: Parts,
  network: NetworkRecord,
  change: NetworkChange,
): Promise<NetworkRecord> {
  const changed = {
    ...network,
    labels: changeLabels(network, change),
    dnsServers: changeServers(network, change),
  }
  if (isShared(network)) await rewriteNetwork(parts, network, changed)
  parts.store.networks.put(network.id, changed)
  tellResolvers(parts, network)
  parts.events.emit('network', 'update', network.id, { name: network.name, type: network.driver })
  return changed
}

function changeLabels(
  network: NetworkRecord,
  { labelsAdd, labelsRemove }: NetworkChange,
): NetworkRecord['labels'] {
  const kept = Object.entries(network.labels).filter(([key]) => !labelsRemove.includes(key))
  return { ...Object.fromEntries(kept), ...labelsAdd }
}

function changeServers(network: NetworkRecord, { dnsAdd, dnsRemove }: NetworkChange): readonly string[] {
  const wrong = [...dnsAdd, ...dnsRemove].find((server) => !isIp(server))
  if (wrong !== undefined) {
    throw new TsnetError(
      'invalid',
      'bad-name-server',
      `network ${network.name}: name server ${wrong} is not an IP address`,
    )
  }
  const removed = dnsRemove.map(canonicalIp)
  const missing = removed.find((server) => !network.dnsServers.includes(server))
  if (missing !== undefined) {
    const known = network.dnsServers.join(', ') || 'none'
    throw new TsnetError(
      'invalid',
      'bad-name-server',
      `network ${network.name} has no name server ${missing} to drop, it has ${known}`,
    )
  }
  const kept = network.dnsServers.filter((server) => !removed.includes(server))
  return [...new Set([...kept, ...dnsAdd.map(canonicalIp)])]
}
