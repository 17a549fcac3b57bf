/** Docker tells of each network that a container gets onto or leaves, by connecting as well as by starting and ending. */
import type { ContainerRecord, NetworkRecord } from '../store/records.ts'
import type { Parts } from './parts.ts'

export type Move = 'connect' | 'disconnect'

export function tellMove(
  parts: Parts,
  action: Move,
  network: NetworkRecord,
  container: ContainerRecord,
): void {
  const attributes = { container: container.id, name: network.name, type: network.driver }
  parts.events.emit('network', action, network.id, attributes)
}

/** For all of a container's networks. */
export function tellMoves(parts: Parts, action: Move, container: ContainerRecord): void {
  for (const endpoint of container.endpoints) {
    const network = parts.store.networks.get(endpoint.network)
    if (network !== undefined) tellMove(parts, action, network, container)
  }
}
