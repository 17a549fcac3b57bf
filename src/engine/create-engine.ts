/** Joins the engine's modules behind the facade and reacts to what the supervisor tells. */
import { cpus, release, totalmem } from 'node:os'
import type { ExitRecord } from '../supervisor/protocol.ts'
import { countOomKills } from '../sys/cgroup.ts'
import { cgroupHierarchy } from '../sys/cgroup-hierarchy.ts'
import { createContainers } from './containers.ts'
import type { Engine, SystemInfo } from './engine.ts'
import { createExecs, type ManagedExecs } from './execs.ts'
import { createNetworks } from './networks.ts'
import type { Parts } from './parts.ts'
import { recordExit, removeContainer } from './stop.ts'
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
    execs,
    networks: createNetworks(parts),
    volumes: createVolumes(parts),
    images: parts.images,
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
    subscribe: (listener) => parts.events.subscribe(listener),
    reconcile: () => reconcile(parts, execs),
    onExit: (exit) => {
      handleExit(parts, execs, exit).catch((error: unknown) =>
        parts.log.error({ err: error, id: exit.id }, 'an ending could not be recorded'),
      )
    },
  }
}

async function reconcile(parts: Parts, execs: ManagedExecs): Promise<void> {
  const { running, exited } = await parts.supervisor.call('list', null)
  const alive = new Set(running.map((child) => child.id))
  const endings = new Map(exited.map((exit) => [exit.id, exit]))
  for (const container of parts.store.containers.values()) {
    if (container.state.status !== 'running' || alive.has(container.id)) continue
    const lost = { id: container.id, exitCode: 255, finishedAt: new Date().toISOString() }
    await handleExit(parts, execs, endings.get(container.id) ?? lost)
  }
}

async function handleExit(parts: Parts, execs: ManagedExecs, exit: ExitRecord): Promise<void> {
  if (!execs.recordExit(exit.id, exit.exitCode)) {
    await parts.locks.run(exit.id, async () => {
      await recordExit(parts, exit, countOomKills(parts.mark, exit.id) > 0)
    })
  }
  // Only now are attached clients let go: whoever sees the end of the output finds the exit code.
  await parts.supervisor.call('forget', { id: exit.id })
  const container = parts.store.containers.get(exit.id)
  if (!container?.spec.autoRemove || container.state.status === 'running') return
  await parts.locks.run(exit.id, async () => {
    const ended = parts.store.containers.get(exit.id)
    if (ended !== undefined && ended.state.status !== 'running') await removeContainer(parts, ended, true)
  })
}
