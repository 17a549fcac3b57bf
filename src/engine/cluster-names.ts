/** A container's name is one container's alone on a network of the cluster. Aliases may be many's. */
import { nameKey } from '../cluster/keys.ts'
import { TsnetError } from '../errors.ts'
import type { ContainerRecord, EndpointRecord } from '../store/records.ts'
import type { ContainerId } from '../values/id.ts'
import type { Parts } from './parts.ts'
import { type ClusterParts, isConnected, sharedEndpoints } from './shared-networks.ts'

/** A planned endpoint's first name is its container's. */
export function nameKeyOf({ network, dnsNames }: EndpointRecord): string {
  return nameKey(network, (dnsNames[0] ?? '').toLowerCase())
}

/**
 * Claims the names of a container on the networks of the cluster, where it has not yet. While etcd is away they are claimed later.
 * Throws kind 'conflict' with who has one; nothing is claimed then.
 */
export async function claimNames(
  parts: Parts,
  undo: AsyncDisposableStack,
  container: ContainerId,
  endpoints: readonly EndpointRecord[],
): Promise<void> {
  const { cluster } = parts
  if (cluster === null) return
  for (const endpoint of sharedEndpoints(parts, endpoints)) {
    if (cluster.names.has(nameKeyOf(endpoint))) continue
    undo.defer(() => releaseName(parts, endpoint))
    await claimName(cluster, container, endpoint)
  }
}

async function claimName(
  cluster: ClusterParts,
  container: ContainerId,
  endpoint: EndpointRecord,
): Promise<void> {
  const key = nameKeyOf(endpoint)
  const claim = `${cluster.state.self.name} ${container}`
  const holder = await holdOrLater(cluster, key, claim)
  if (holder === claim) return void cluster.names.add(key)
  const [node = '', id = ''] = holder.split(' ')
  const name = endpoint.dnsNames[0] ?? ''
  throw new TsnetError(
    'conflict',
    'name-in-use',
    `Conflict. The container name "/${name}" is already in use on network ${endpoint.networkName} by container "${id}" of host ${node}. ` +
      'You have to remove (or rename) that container to be able to reuse that name.',
  )
}

async function holdOrLater(cluster: ClusterParts, key: string, claim: string): Promise<string> {
  const { state } = cluster
  try {
    if (isConnected(cluster)) return await state.hold(key, claim)
  } catch (error) {
    if (!(error instanceof TsnetError && error.code === 'cluster-away')) throw error
  }
  state.holdLater(key, claim)
  return claim
}

/** After a start of the daemon. */
export function claimNamesAgain(parts: Parts, container: ContainerRecord): void {
  const { cluster } = parts
  for (const endpoint of sharedEndpoints(parts, container.endpoints)) {
    cluster?.names.add(nameKeyOf(endpoint))
    cluster?.state.holdLater(nameKeyOf(endpoint), `${cluster.state.self.name} ${container.id}`)
  }
}

/** The container is not on the network any more, or is called otherwise. Safe to repeat. */
export function releaseName(parts: Parts, endpoint: EndpointRecord): void {
  if (parts.cluster?.names.delete(nameKeyOf(endpoint))) parts.cluster.state.release(nameKeyOf(endpoint))
}

/** The endpoint whose name a key stands for. */
export function endpointOfName(parts: Parts, key: string): EndpointRecord | undefined {
  return [...parts.store.containers.values()]
    .flatMap(({ endpoints }) => endpoints)
    .find((endpoint) => nameKeyOf(endpoint) === key)
}
