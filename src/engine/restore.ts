/**
 * After a start of the daemon: makes records, supervisor and kernel agree. What was begun and not finished is undone or
 * completed; what runs is taken up again; what carries tsnet's mark and belongs to nobody is removed. The calls are those
 * that a change makes.
 */
import type { DefaultNetwork } from '../config/config.ts'
import { errorMessage } from '../errors.ts'
import { listContainerDirs, removeRootfs } from '../images/rootfs.ts'
import { adoptSandbox, listSandboxes, removeSandbox } from '../sandbox/sandbox.ts'
import type { ContainerRecord, EndpointRecord, NetworkRecord, PublishedPort } from '../store/records.ts'
import type { JournalEntry } from '../store/store.ts'
import type { ExitRecord } from '../supervisor/protocol.ts'
import { countOomKills, listCgroups, removeCgroup } from '../sys/cgroup.ts'
import type { ContainerId, EndpointId } from '../values/id.ts'
import { activeNetworks, adoptNetwork } from './active-networks.ts'
import { adoptPools } from './addresses.ts'
import { announceEndpoint } from './cluster-endpoints.ts'
import { claimNamesAgain } from './cluster-names.ts'
import { finishDisconnect } from './connections.ts'
import { driverContext } from './driver-context.ts'
import { egressRules } from './egress-policy.ts'
import { attachedOf, detachEndpoint, nameEndpoint, ownsSandbox, usesNames } from './endpoints.ts'
import { type ForeignEndpoint, foreignEndpoints } from './foreign-endpoints.ts'
import { healFirewall } from './heal-firewall.ts'
import { followLeases } from './lease-changes.ts'
import { resumeLeases } from './link-leases.ts'
import { sweepMappings } from './mappings.ts'
import { isOfMove, recallMoves } from './moves/resume.ts'
import { dismantleNetwork } from './networks.ts'
import type { Parts } from './parts.ts'
import { makePredefined } from './predefined-networks.ts'
import { forgetFlows, portRules, portTargets } from './published.ts'
import { undoReattach } from './reattach.ts'
import { findNetwork } from './references.ts'
import { finishRename } from './rename-volume.ts'
import { finishReplacement } from './replace-volume.ts'
import { resolverOptions } from './resolver-options.ts'
import { isShared } from './shared-networks.ts'
import { sweepSnapshots } from './snapshot-data.ts'
import { finishRemoval, recordExit, releaseContainer, removeContainer } from './stop.ts'
import { finishResize } from './update-volume.ts'
import { restoreVolumeMounts } from './volume-mounts.ts'
import { finishDiscard, finishVolumeRemoval, removeVolumes } from './volume-removal.ts'
import { undoSnapshot } from './volume-snapshots.ts'
import { finishRestore, recallVolumes } from './volume-trash.ts'
import { adoptVolumes } from './volumes.ts'

export async function restore(parts: Parts, defaultNetwork: DefaultNetwork): Promise<void> {
  const children = await parts.supervisor.call('list', null)
  const alive = new Set(children.running.map((child) => child.id))
  recallMoves(parts)
  await adoptPools(parts)
  await restoreNetworks(parts)
  for (const container of parts.store.containers.values()) {
    if (!parts.moves.undecided.has(container.id)) claimNamesAgain(parts, container)
  }
  const unfinished = parts.store.journal.entries().filter((entry) => !isOfMove(entry))
  // Volumes are found by their names.
  const renames = unfinished.filter(({ operation }) => operation === 'volume-rename')
  await finishJournal(parts, alive, renames)
  await restoreVolumeMounts(parts)
  await finishJournal(
    parts,
    alive,
    unfinished.filter((entry) => !renames.includes(entry)),
  )
  await attemptAll(parts, [
    () => recallVolumes(parts),
    () => adoptVolumes(parts),
    () => sweepSnapshots(parts),
  ])
  // Bridges of a data root that was emptied meanwhile would be in the way of the new ones.
  await attemptAll(parts, driverSweeps(parts))
  await makePredefined(parts, defaultNetwork)
  followLeases(parts)
  await adoptRunning(parts, alive, children.exited)
  announcePods(parts)
  await removeEnded(parts)
  await parts.firewall.replaceAll([
    ...[...parts.networkRules.values()].flat(),
    ...running(parts).flatMap((container) => [
      ...egressRules(parts, container),
      ...portRules(parts, container),
    ]),
  ])
  healFirewall(parts)
  await sweep(parts, alive)
  // Endings that are recorded, or of containers that are gone.
  for (const { id } of children.exited) await parts.supervisor.call('forget', { id })
}

function running(parts: Parts): ContainerRecord[] {
  return [...parts.store.containers.values()].filter((container) => container.state.status === 'running')
}

async function restoreNetworks(parts: Parts): Promise<void> {
  for (const network of parts.store.networks.values()) {
    if (network.configuration !== null) continue
    try {
      if (isShared(network)) {
        await adoptNetwork(parts, network, endpointsOn(parts, network))
        continue
      }
      const rules = await parts.networkDriver(network.driver).createNetwork(driverContext(parts), network)
      parts.networkRules.set(network.id, rules)
    } catch (error) {
      parts.log.error({ err: error, network: network.name }, 'a network could not be restored')
    }
  }
}

/** Endpoints of containers that run, or did when the last daemon ended. */
function endpointsOn(parts: Parts, network: NetworkRecord): EndpointId[] {
  const endpoints = [
    ...running(parts).flatMap((container) => container.endpoints),
    ...foreignEndpoints(parts.store),
  ]
  return endpoints.filter((endpoint) => endpoint.network === network.id).map(({ id }) => id)
}

/** How each kind of intent is brought to an end. All are safe to repeat. */
const recoveries: Readonly<
  Record<string, (parts: Parts, entry: JournalEntry, alive: ReadonlySet<string>) => Promise<void>>
> = {
  create: async (parts, entry) => {
    const { endpoints, volumes } = entry.data as { endpoints: EndpointRecord[]; volumes?: string[] }
    if (parts.store.containers.has(entry.subject)) return
    for (const endpoint of endpoints) {
      await detachEndpoint(parts, entry.subject as ContainerId, endpoint, false)
    }
    await removeRootfs(parts.dataRoot, entry.subject as ContainerId)
    await removeVolumes(parts, volumes ?? [])
  },
  start: async (parts, entry, alive) => {
    const container = parts.store.containers.get(entry.subject)
    if (alive.has(entry.subject)) await killOrphan(parts, entry.subject)
    if (container !== undefined) await releaseContainer(parts, container)
  },
  stop: async (parts, entry) => {
    const container = parts.store.containers.get(entry.subject)
    if (container !== undefined) await releaseContainer(parts, container)
  },
  remove: async (parts, entry) => {
    const container = parts.store.containers.get(entry.subject)
    if (container !== undefined) await finishRemoval(parts, container)
    parts.store.containers.delete(entry.subject)
    await removeVolumes(parts, (entry.data as { volumes: string[] }).volumes)
  },
  connect: (parts, entry, alive) => undoConnect(parts, entry, alive),
  disconnect: async (parts, entry, alive) => {
    const { endpoint } = entry.data as { endpoint: EndpointRecord }
    const container = parts.store.containers.get(entry.subject)
    if (container === undefined) return
    if (alive.has(container.id)) await finishDisconnect(parts, container, endpoint)
    else await detachEndpoint(parts, container.id, endpoint, false)
    const endpoints = container.endpoints.filter((candidate) => candidate.id !== endpoint.id)
    parts.store.containers.put(container.id, { ...container, endpoints })
  },
  reattach: undoReattach,
  // The record tells what is reserved and ruled; of flows there is none.
  'update-ports': async (parts, entry) => {
    forgetFlows(parts, (entry.data as { published: PublishedPort[] }).published)
  },
  'network-create': async (parts, entry) => {
    if (parts.store.networks.has(entry.subject)) return
    const network = {
      ...(entry.data as NetworkRecord),
      id: entry.subject,
      pools: [],
    } as unknown as NetworkRecord
    await dismantleNetwork(parts, network)
  },
  'network-remove': async (parts, entry) => {
    await dismantleNetwork(parts, entry.data as NetworkRecord)
    parts.store.networks.delete(entry.subject)
  },
  'volume-create': finishVolumeRemoval,
  'volume-discard': finishDiscard,
  'volume-remove': finishVolumeRemoval,
  'volume-rename': finishRename,
  'volume-resize': finishResize,
  'volume-restore': finishRestore,
  'volume-replace': finishReplacement,
  'volume-snapshot': undoSnapshot,
}

/** Those that a later start can bring to an end as well: they stay when that fails, and hurt nobody until then. */
const patient: readonly string[] = ['volume-create', 'volume-remove', 'volume-replace']

async function undoConnect(parts: Parts, entry: JournalEntry, alive: ReadonlySet<string>): Promise<void> {
  const { endpoint } = entry.data as { endpoint: EndpointRecord }
  const container = parts.store.containers.get(entry.subject)
  if (container?.endpoints.some((candidate) => candidate.id === endpoint.id)) return
  if (container === undefined || !alive.has(container.id)) {
    await detachEndpoint(parts, entry.subject as ContainerId, endpoint, false)
    return
  }
  // The way out may have gone over to it.
  const endpoints = [...container.endpoints, endpoint]
  await finishDisconnect(parts, { ...container, endpoints }, endpoint)
}

/** The daemon died between starting a program and writing that down: nobody has been told of it. */
async function killOrphan(parts: Parts, id: string): Promise<void> {
  await parts.supervisor.call('signal', { id, signal: 9 })
  for (;;) {
    const { exited } = await parts.supervisor.call('list', null)
    if (exited.some((exit) => exit.id === id)) break
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await parts.supervisor.call('forget', { id })
}

async function finishJournal(
  parts: Parts,
  alive: Set<string>,
  entries: readonly JournalEntry[],
): Promise<void> {
  for (const entry of entries) {
    try {
      await recoveries[entry.operation]?.(parts, entry, alive)
      if (entry.operation === 'start') alive.delete(entry.subject)
      parts.log.info(
        { operation: entry.operation, subject: entry.subject, step: entry.step },
        'an interrupted change was cleaned up',
      )
    } catch (error) {
      parts.log.error(
        { err: error, operation: entry.operation, subject: entry.subject },
        'an interrupted change could not be cleaned up',
      )
      if (patient.includes(entry.operation)) continue
    }
    parts.store.journal.clear(entry.id)
  }
}

/** Containers that ran when the last daemon ended either run still, or have ended meanwhile. */
async function adoptRunning(
  parts: Parts,
  alive: ReadonlySet<string>,
  exited: readonly ExitRecord[],
): Promise<void> {
  const endings = new Map(exited.map((exit) => [exit.id, exit]))
  for (const container of running(parts)) {
    if (alive.has(container.id)) {
      await adoptContainer(parts, container)
      continue
    }
    const lost = { id: container.id, exitCode: 255, finishedAt: new Date().toISOString() }
    await recordExit(parts, endings.get(container.id) ?? lost, countOomKills(parts.mark, container.id) > 0)
  }
}

/** The other hosts of the cluster hear again of what other runtimes have on its networks. */
function announcePods(parts: Parts): void {
  for (const { containerId, isEngines, endpoint } of parts.store.pods.values()) {
    const name = endpoint.dnsNames[0] ?? ''
    if (isEngines) announceEndpoint(parts, { id: containerId as ContainerId, name }, endpoint)
  }
}

/** Containers of --rm whose end came now, or just before that of the last daemon. */
async function removeEnded(parts: Parts): Promise<void> {
  for (const container of [...parts.store.containers.values()]) {
    const isMoving = parts.moves.leaving.has(container.id)
    if (!container.spec.autoRemove || container.state.status !== 'exited' || isMoving) continue
    await removeContainer(parts, container, true).catch((error: unknown) =>
      parts.log.error({ err: error, container: container.name }, 'an ended container could not be removed'),
    )
  }
}

/** What lives in the daemon itself is made again: reserved ports, names, the resolver's sockets. */
async function adoptContainer(parts: Parts, container: ContainerRecord): Promise<void> {
  try {
    for (const endpoint of container.endpoints) {
      nameEndpoint(parts, endpoint)
      announceEndpoint(parts, container, endpoint)
    }
    const targets = portTargets(parts, container)
    parts.ports.adopt(container.id, container.name, container.published, targets)
    parts.egress.open(container)
    if (!ownsSandbox(parts, container) || !usesNames(parts, container)) return
    using sandbox = adoptSandbox({ execRoot: parts.execRoot, id: container.id })
    await parts.names.adopt(sandbox, resolverOptions(parts, container))
    resumeLeases(parts, container, sandbox)
  } catch (error) {
    parts.log.error(
      { err: error, container: container.name },
      'a running container could not be taken up whole',
    )
  }
}

/** Removes what carries tsnet's mark but has no owner any more. */
async function sweep(parts: Parts, alive: ReadonlySet<string>): Promise<void> {
  const live = running(parts)
  const ids = new Set<string>(live.map((container) => container.id))
  await attemptAll(parts, [
    ...listSandboxes(parts.execRoot)
      .filter((id) => !ids.has(id))
      .map((id) => () => removeSandbox(parts.execRoot, id)),
    ...listCgroups(parts.mark)
      .filter((id) => !ids.has(id) && !alive.has(id))
      .map((id) => () => removeCgroup(parts.mark, id)),
    ...driverSweeps(parts),
    ...(await listContainerDirs(parts.dataRoot))
      .filter((id) => !parts.store.containers.has(id) && !parts.moves.arriving.has(id))
      .map((id) => () => removeRootfs(parts.dataRoot, id)),
    () => parts.images.sweep(),
    () => sweepMappings(parts),
  ])
}

async function attemptAll(parts: Parts, steps: readonly (() => unknown)[]): Promise<void> {
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      parts.log.warn({ err: errorMessage(error) }, 'something left over could not be removed')
    }
  }
}

function driverSweeps(parts: Parts): (() => Promise<void>)[] {
  const endpoints = [
    ...running(parts).flatMap((container) => container.endpoints),
    ...foreignEndpoints(parts.store),
  ]
  return parts.networkDrivers().map((driver) => () => sweepDriver(parts, driver.name, endpoints))
}

async function sweepDriver(
  parts: Parts,
  name: string,
  endpoints: readonly Omit<ForeignEndpoint, 'container'>[],
): Promise<void> {
  const networks = activeNetworks(parts, name)
  const attached = endpoints
    .map((endpoint) => attachedOf(findNetwork(parts.store.networks, endpoint.network), endpoint))
    .filter(({ network }) => network.driver === name)
  await parts.networkDriver(name).sweep?.(driverContext(parts), networks, attached)
}
