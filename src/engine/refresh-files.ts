/** Running containers' files follow what they tell about: the host's resolv.conf, and the addresses of linked neighbours. */
import { setImmediate } from 'node:timers/promises'
import { updateContainerFiles } from '../sandbox/container-files.ts'
import type { ContainerRecord } from '../store/records.ts'
import type { ContainerId } from '../values/id.ts'
import { containerTexts } from './container-texts.ts'
import { ownsSandbox, usesNames } from './endpoints.ts'
import { linkedHosts } from './linked-hosts.ts'
import type { Parts } from './parts.ts'

/** Looks after all running containers. What fails is logged. */
export function refreshFiles(parts: Parts): void {
  void refreshAll(parts, running(parts))
}

/** One in each turn of the event loop: names are answered in between. */
async function refreshAll(parts: Parts, containers: readonly ContainerRecord[]): Promise<void> {
  for (const { id } of containers) {
    void refresh(parts, id)
    await setImmediate()
  }
}

/** Containers whose hosts file names this one learn its new address. What fails is logged. */
export function refreshLinking(parts: Parts, target: ContainerRecord): void {
  for (const container of running(parts)) {
    const isLinked = linkedHosts(parts, container).some(({ names }) => names.includes(target.name))
    if (isLinked && container.id !== target.id) void refresh(parts, container.id)
  }
}

function running(parts: Parts): ContainerRecord[] {
  return [...parts.store.containers.values()].filter(({ state }) => state.status === 'running')
}

/** Not awaited by who changes another container: two that link to each other would wait for ever. */
async function refresh(parts: Parts, id: ContainerId): Promise<void> {
  try {
    await parts.locks.run(id, async () => {
      const container = parts.store.containers.get(id)
      if (container?.state.status !== 'running') return
      const isOwn = ownsSandbox(parts, container)
      const texts = containerTexts(parts, container, isOwn, isOwn && usesNames(parts, container))
      updateContainerFiles(parts.dataRoot, id, texts)
    })
  } catch (error) {
    parts.log.warn(
      { err: error, container: id },
      'files of a running container could not be brought up to date',
    )
  }
}
