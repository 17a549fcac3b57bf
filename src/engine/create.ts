/** From a request to a container's record: checked, planned, named, with its volumes and fixed addresses. */
import { TsnetError } from '../errors.ts'
import type { ContainerRecord, ContainerSpec, NetworkRecord } from '../store/records.ts'
import { checkResources } from '../sys/resources.ts'
import { type ContainerId, newId } from '../values/id.ts'
import { checkContainerName, randomName } from '../values/name.ts'
import { requireBindSources } from '../volumes/bind-sources.ts'
import { reserveFixed } from './addresses.ts'
import { claimNames } from './cluster-names.ts'
import { checkVolumes, nameVolumes, withVolumes } from './container-volumes.ts'
import { refuseEgress } from './egress-policy.ts'
import { networkOf } from './endpoints.ts'
import { resolveNetworkMode } from './joined-network.ts'
import { linkIpamOf } from './link-leases.ts'
import { refuseMissingLinks } from './linked-hosts.ts'
import { recordNamed } from './networks.ts'
import type { Parts } from './parts.ts'
import { planContainer } from './plan.ts'
import { warnOfPorts } from './port-warnings.ts'
import { findNetwork } from './references.ts'
import { removeVolumes } from './volume-removal.ts'
import { takeMounts } from './volumes-from.ts'

function nameTaken(parts: Parts, name: string): ContainerRecord | undefined {
  return parts.store.containers.values().find((container) => container.name === name)
}

function refuseTakenName(parts: Parts, name: string): void {
  parts.moves.refuseArriving(name)
  const holder = nameTaken(parts, name)
  if (holder === undefined) return
  throw new TsnetError(
    'conflict',
    'name-in-use',
    `Conflict. The container name "/${name}" is already in use by container "${holder.id}". You have to remove (or rename) that container to be able to reuse that name.`,
  )
}

function freeName(parts: Parts): string {
  for (let attempt = 0; ; attempt++) {
    const name = randomName(attempt)
    if (nameTaken(parts, name) === undefined) return name
  }
}

/** Throws every refusal before anything is made; what was made is undone when the rest fails. */
export async function createContainer(
  parts: Parts,
  given: ContainerSpec,
  wanted: string | null,
): Promise<{ id: ContainerId; warnings: string[] }> {
  if (wanted !== null && wanted !== '') return createNamed(parts, given, wanted.replace(/^\//, ''))
  for (;;) {
    try {
      return await createNamed(parts, given, freeName(parts))
    } catch (error) {
      // Somebody else has taken it since: another one will do.
      if (!(error instanceof TsnetError && error.code === 'name-in-use')) throw error
    }
  }
}

async function createNamed(
  parts: Parts,
  given: ContainerSpec,
  name: string,
): Promise<{ id: ContainerId; warnings: string[] }> {
  checkContainerName(name)
  const id = newId<ContainerId>()
  const limits = checkResources(given.resources)
  const networkMode = resolveNetworkMode(parts, given.networkMode)
  const spec = { ...given, networkMode, resources: limits.resources }
  for (const ref of new Set([networkMode, ...Object.keys(spec.endpoints)])) await recordNamed(parts, ref)
  const mounted = spec.mounts.filter(({ type }) => type === 'image').map(({ source }) => source)
  for (const ref of [spec.image, ...mounted]) await parts.images.ensureBuiltin(ref)
  const image = parts.images.get(spec.image)
  const planned = planContainer(id, name, spec, {
    image,
    network: (ref) => wantedOf(() => findNetwork(parts.store.networks, ref)),
    checkEndpoint: (network, wish) => parts.networkDriver(network.driver).checkEndpoint(network, wish),
    taken: wantedOf(() => takeMounts(parts.store.containers, spec.volumesFrom, image.id)),
    mountedImage: (ref) => wantedOf(() => parts.images.get(ref)),
    dataRoot: parts.dataRoot,
  })
  refuseEgress(parts, planned)
  refuseMissingLinks(parts, planned)
  wantedOf(() => checkVolumes(parts, planned, spec))
  await requireBindSources(parts.workers, planned.mounts)
  const container = await withName(parts, name, () => recordContainer(parts, planned, spec))
  return { id, warnings: [...limits.warnings, ...warningsFor(parts, container)] }
}

/** Runs `body` while nobody else can take the name. Throws kind 'conflict' when somebody has it. */
export function withName<T>(parts: Parts, name: string, body: () => Promise<T>): Promise<T> {
  return parts.locks.run(`name ${name}`, () => {
    refuseTakenName(parts, name)
    return body()
  })
}

async function recordContainer(
  parts: Parts,
  planned: ContainerRecord,
  spec: ContainerSpec,
): Promise<ContainerRecord> {
  const { id, name } = planned
  const { store } = parts
  const named = nameVolumes(planned)
  const { anonymous } = named
  const entry = store.journal.begin('create', id, { endpoints: planned.endpoints, volumes: anonymous })
  await using undo = new AsyncDisposableStack()
  undo.defer(() => store.journal.clear(entry))
  await claimNames(parts, undo, id, planned.endpoints)
  await reserveFixed(parts, undo, planned.endpoints)
  undo.defer(() => removeVolumes(parts, anonymous))
  const container = await withVolumes(parts, named, spec, (complete) =>
    store.transaction(() => {
      store.containers.put(id, complete)
      store.journal.clear(entry)
      return complete
    }),
  )
  undo.move()
  parts.events.emit('container', 'create', id, { name, image: spec.image })
  return container
}

/** Clients take a create's 'not-found' for the container's image and pull that: of all else it is the request that is wrong. */
function wantedOf<T>(find: () => T): T {
  try {
    return find()
  } catch (error) {
    if (!(error instanceof TsnetError && error.kind === 'not-found')) throw error
    throw new TsnetError('invalid', error.code, error.message)
  }
}

function warningsFor(parts: Parts, container: ContainerRecord): string[] {
  const { ports, networkMode } = container.spec
  if (ports.length === 0) return []
  if (networkMode === 'host') return ['Published ports are discarded when using host network mode']
  const kinds = container.endpoints.map((endpoint) => directKind(parts, networkOf(parts, endpoint)))
  if (kinds.length === 0 || kinds.includes('')) return warnOfPorts(ports)
  const names = [...new Set(kinds)].join(' and ')
  return [
    `Published ports are discarded when using ${names} networks: containers are reached at their own addresses`,
  ]
}

/** What networks are called whose containers are reached without the host, '' for others. */
function directKind(parts: Parts, network: NetworkRecord): string {
  const { name, capabilities } = parts.networkDriver(network.driver)
  if (capabilities.ports === 'none' && capabilities.addresses !== 'none') return name
  return linkIpamOf(parts, network)?.name ?? ''
}
