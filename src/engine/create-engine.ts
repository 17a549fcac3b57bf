/** Joins the engine's modules behind the facade and reacts to what the supervisor tells. */
import { cpus, release, totalmem } from 'node:os'
import type { ChildRecord, ExitRecord } from '../supervisor/protocol.ts'
import { countOomKills } from '../sys/cgroup.ts'
import { cgroupHierarchy } from '../sys/cgroup-hierarchy.ts'
import { createContainers } from './containers.ts'
import { createDrivers } from './drivers.ts'
import type { Engine, SystemInfo } from './engine.ts'
import { createExecs, type ManagedExecs } from './execs.ts'
import { createHosts } from './hosts.ts'
import { createNetworks } from './networks.ts'
import type { Parts } from './parts.ts'
import { forgetChild, recordExit, removeContainer } from './stop.ts'
import { readTopology } from './topology.ts'
import { createVolumeArchives } from './volume-archives.ts'
import { createVolumes } from './volumes.ts'

export interface ManagedEngine extends Engine {
  /** An ending that the supervisor has announced. */
  onExit(exit: ExitRecord): void
  /** Compares the records with what the supervisor has: endings that nobody announced are recorded. */
  reconcile(): Promise<void>
}

export function createEngine(
  parts: Parts,
  facts: Pick<SystemInfo, 'name' | 'id' | 'operatingSystem' | 'seccomp'>,
): ManagedEngine {
  const execs = createExecs(parts)
  parts.events.subscribe((event) => {
    if (event.type === 'container' && event.action === 'destroy') execs.forgetContainer(event.id)
  })
  return {
    containers: createContainers(parts),
    drivers: createDrivers(parts),
    execs,
    networks: createNetworks(parts),
    volumes: createVolumes(parts),
    volumeArchives: createVolumeArchives(parts),
    images: parts.images,
    hosts: createHosts(parts),
    info: () => ({
      ...facts,
      dataRoot: parts.dataRoot,
      execRoot: parts.execRoot,
      firewall: parts.firewall.backend,
      cgroupVersion: cgroupHierarchy().version,
      kernel: release(),
      cpus: cpus().length,
      memory: totalmem(),
    }),
    topology: () => readTopology(parts),
    pastEvents: () => parts.events.past,
    subscribe: (listener) => parts.events.subscribe(listener),
    reconcile: () => reconcile(parts, execs),
    onExit: (exit) => void handleExit(parts, execs, exit),
  }
}

async function reconcile(parts: Parts, execs: ManagedExecs): Promise<void> {
  const { running, exited } = await parts.supervisor.call('list', null)
  const known = new Set([...running, ...exited].map(({ id }) => id))
  // Picked in one turn: what is started from now on is not in the list either.
  const lost = [...parts.store.containers.values()]
    .filter(({ id, state }) => state.status === 'running' && !known.has(id))
    .map(({ id }) => ({ id, exitCode: 255, finishedAt: new Date().toISOString() }))
  await Promise.all([
    ...[...exited, ...lost].map((exit) => handleExit(parts, execs, exit)),
    ...running.map((child) => killUnrecorded(parts, child)),
  ])
}

/** A supervisor may die after it has started a program and before it could say so: that start has failed. */
async function killUnrecorded(parts: Parts, { id }: ChildRecord): Promise<void> {
  // Under the lock no start is under way.
  await parts.locks.run(id, async () => {
    const container = parts.store.containers.get(id)
    if (container === undefined || container.state.status === 'running') return
    parts.log.warn({ container: id }, 'a program runs whose start has failed: it is killed')
    await parts.supervisor.call('signal', { id, signal: 9 })
  })
}

async function handleExit(parts: Parts, execs: ManagedExecs, exit: ExitRecord): Promise<void> {
  try {
    if (execs.recordExit(exit.id, exit.exitCode)) await forgetChild(parts, exit.id)
    else await handleContainerExit(parts, exit)
  } catch (error) {
    parts.log.error({ err: error, id: exit.id }, 'an ending could not be recorded')
  }
}

async function handleContainerExit(parts: Parts, exit: ExitRecord): Promise<void> {
  await parts.locks.run(exit.id, () => recordExit(parts, exit, countOomKills(parts.mark, exit.id) > 0))
  const container = parts.store.containers.get(exit.id)
  if (!container?.spec.autoRemove || container.state.status === 'running') return
  if (parts.moves.leaving.has(container.id)) return
  await parts.locks.run(exit.id, async () => {
    const ended = parts.store.containers.get(exit.id)
    if (ended !== undefined && ended.state.status !== 'running') await removeContainer(parts, ended, true)
  })
}
