/**
 * Fencing: a container whose address or name became another host's while this one was away is taken off the network, for there is one
 * owner of each.
 */
import type { LostHolding } from '../cluster/cluster.ts'
import { errorMessage } from '../errors.ts'
import type { ContainerRecord, EndpointRecord, NetworkRecord } from '../store/records.ts'
import type { NetworkId } from '../values/id.ts'
import { endpointOfName } from './cluster-names.ts'
import { disconnect } from './connections.ts'
import { foreignEndpointOf } from './foreign-endpoints.ts'
import type { Parts } from './parts.ts'
import { clusterOf } from './shared-networks.ts'

/** `restored` resolves when the records are in order. */
export function fenceLosses(parts: Parts, restored: Promise<void>): void {
  clusterOf(parts).state.onLost((lost) => void restored.then(() => handleLost(parts, lost)))
}

async function handleLost(parts: Parts, lost: readonly LostHolding[]): Promise<void> {
  const { leases, names } = clusterOf(parts)
  try {
    await leases.handleLost(lost)
  } catch (error) {
    parts.log.error({ err: error }, 'lost addresses could not be looked after')
  }
  for (const { key, holder } of lost) {
    if (!names.has(key) || (await takeOver(parts, key, holder))) continue
    const endpoint = names.delete(key) ? endpointOfName(parts, key) : undefined
    if (endpoint !== undefined)
      await fence(parts, endpoint.id, `its name ${endpoint.dnsNames[0]} there is now that of ${holder}`)
  }
}

/** What stands there under this host's own name is from before it was restarted. Returns whether it is this one's again. */
async function takeOver(parts: Parts, key: string, holder: string): Promise<boolean> {
  const { state } = clusterOf(parts)
  const endpoint = endpointOfName(parts, key)
  const container = [...parts.store.containers.values()].find(({ endpoints }) =>
    endpoints.some(({ id }) => id === endpoint?.id),
  )
  if (holder !== state.self.name || container === undefined) return false
  const claim = `${holder} ${container.id}`
  const standing = (await state.list(key)).get('')
  if (standing !== undefined) await state.put(key, undefined, standing)
  return (await state.hold(key, claim)) === claim
}

/** Takes a running container's endpoint off its network. A stopped one is refused its name or address when it starts. `endpoint` is what owns its address. */
export async function fence(parts: Parts, endpoint: string, reason: string): Promise<void> {
  const find = (): { container: ContainerRecord; endpoint: EndpointRecord } | undefined => {
    for (const container of parts.store.containers.values()) {
      const found = container.endpoints.find(({ id }) => id === endpoint)
      if (found !== undefined) return { container, endpoint: found }
    }
    return undefined
  }
  const id = find()?.container.id ?? ''
  await parts.locks.run(id, async () => {
    const found = find()
    if (found === undefined) await fenceForeign(parts, endpoint, reason)
    else if (found.container.state.status === 'running')
      await takeOff(parts, found.container, found.endpoint.network, reason, (network) =>
        disconnect(parts, network, found.container),
      )
  })
}

/** An endpoint of another runtime's sandbox, or of another engine's container: those who look after it take it off. */
async function fenceForeign(parts: Parts, owner: string, reason: string): Promise<void> {
  const endpoint = foreignEndpointOf(parts.store, owner)
  if (endpoint === undefined) return
  const { id, container, network } = endpoint
  await takeOff(parts, { id: container, name: container }, network, reason, async () => {
    for (const foreign of parts.foreignOwners) await foreign.evict(id)
  })
}

async function takeOff(
  parts: Parts,
  container: { readonly id: string; readonly name: string },
  networkId: NetworkId,
  reason: string,
  leave: (network: NetworkRecord) => Promise<void>,
): Promise<void> {
  const network = parts.store.networks.get(networkId)
  if (network === undefined) return
  try {
    await leave(network)
    parts.log.warn(
      { container: container.name, network: network.name, reason },
      'a container was taken off a network of the cluster',
    )
    const attributes = { container: container.id, name: network.name, type: network.driver, reason }
    parts.events.emit('network', 'fence', network.id, attributes)
  } catch (error) {
    parts.log.error(
      { container: container.name, network: network.name, err: errorMessage(error) },
      'a container could not be taken off a network of the cluster',
    )
  }
}
