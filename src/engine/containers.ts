import { TsnetError } from '../errors.ts'
import type { ContainerRecord, EndpointRecord } from '../store/records.ts'
import { timeAction } from '../timings.ts'
import type { ContainerId } from '../values/id.ts'
import { checkContainerName } from '../values/name.ts'
import { attemptStart } from './attempt-start.ts'
import { announceEndpoint } from './cluster-endpoints.ts'
import { claimNames, releaseName } from './cluster-names.ts'
import { createContainer, withName } from './create.ts'
import { nameEndpoint } from './endpoints.ts'
import type { Containers } from './engine.ts'
import { moveContainer } from './moves/departure.ts'
import { attach, logs } from './output.ts'
import type { Parts } from './parts.ts'
import { exposedPorts, trustedPorts } from './published.ts'
import { findContainer } from './references.ts'
import { endContainer, killContainer, removeContainer, stopContainer } from './stop.ts'
import { updateEgress } from './update-egress.ts'
import { updatePorts } from './update-ports.ts'
import { updateRates } from './update-rates.ts'

export function createContainers(parts: Parts): Containers {
  const find = (ref: string): ContainerRecord => findContainer(parts.store.containers, ref)
  const locked = <T>(ref: string, body: (container: ContainerRecord) => Promise<T>): Promise<T> => {
    const { id, name } = find(ref)
    parts.moves.refuseLeaving({ id, name })
    // Looked up again inside: it may have changed, or gone, while waiting.
    return parts.locks.run(id, () => body(find(id)))
  }
  return {
    create: (spec, name) => timeAction('create', () => createContainer(parts, spec, name)),
    start: (ref) => locked(ref, (container) => attemptStart(parts, container)),
    stop: async (ref, options) => stopContainer(parts, find(ref), options),
    restart: async (ref, options) => {
      const container = find(ref)
      if (container.state.status === 'running') await stopContainer(parts, container, options)
      await locked(container.id, (stopped) => attemptStart(parts, stopped))
      parts.events.emit('container', 'restart', container.id, { name: container.name })
    },
    kill: async (ref, signal) => killContainer(parts, find(ref), signal),
    remove: (ref, options) => remove(parts, find(ref), options),
    updatePorts: (ref, change) =>
      locked(ref, (container) => updatePorts(parts, container, change(container.spec.ports))),
    updateEgress: (ref, egress) => locked(ref, (container) => updateEgress(parts, container, egress)),
    updateRates: (ref, change) => locked(ref, (container) => updateRates(parts, container, change)),
    rename: (ref, name) => locked(ref, (container) => rename(parts, container, name)),
    move: async (ref, host, watch) => moveContainer(parts, find(ref), host, watch),
    wait: (ref, condition, signal) => wait(parts, find(ref), condition, signal),
    get: find,
    list: () => [...parts.store.containers.values()],
    exposedPorts: (container) => exposedPorts(parts, container),
    trustedPorts: (container) => trustedPorts(parts, container),
    waitsFor: (id) => parts.plugins.waitOf(id),
    attach: async (ref, options) => attach(parts, find(ref), options),
    logs: async (ref, options, signal) => logs(parts, find(ref), options, signal),
    resize: async (ref, rows, columns) => {
      const container = find(ref)
      if (container.state.status !== 'running')
        throw new TsnetError('conflict', 'not-running', `Container ${container.id} is not running`)
      await parts.supervisor.call('resize', { id: container.id, rows, columns })
    },
  }
}

/** One that is just being started is found running once its lock is free. */
async function remove(
  parts: Parts,
  container: ContainerRecord,
  options: { force: boolean; volumes: boolean },
): Promise<void> {
  for (;;) {
    parts.moves.refuseLeaving(container)
    const running = await parts.locks.run(container.id, () =>
      removeUnlessRunning(parts, container.id, options.volumes),
    )
    if (running === null) return
    if (!options.force) {
      throw new TsnetError(
        'conflict',
        'container-running',
        `cannot remove container "${running.name}": container is running: stop the container before removing or force remove`,
      )
    }
    await endContainer(parts, running)
  }
}

/** Returns the container when it runs and therefore stays. */
async function removeUnlessRunning(
  parts: Parts,
  id: ContainerId,
  withVolumes: boolean,
): Promise<ContainerRecord | null> {
  const present = parts.store.containers.get(id)
  if (present?.state.status === 'running') return present
  // Removed by --rm in the meantime: that is what was wanted.
  if (present !== undefined) await removeContainer(parts, present, withVolumes)
  return null
}

async function rename(parts: Parts, container: ContainerRecord, wanted: string): Promise<void> {
  const name = wanted.replace(/^\//, '')
  checkContainerName(name)
  if (name === container.name) {
    throw new TsnetError(
      'invalid',
      'same-name',
      `Renaming a container with the same name as its current name: ${name}`,
    )
  }
  await withName(parts, name, async () => {
    const renamed = renameEndpoints(container, name)
    await using undo = new AsyncDisposableStack()
    await claimNames(parts, undo, container.id, renamed)
    recordName(parts, container, name, renamed)
    undo.move()
  })
}

function renameEndpoints(container: ContainerRecord, name: string): EndpointRecord[] {
  return container.endpoints.map((endpoint) => ({
    ...endpoint,
    dnsNames: endpoint.dnsNames.map((dnsName) => (dnsName === container.name ? name : dnsName)),
  }))
}

function recordName(
  parts: Parts,
  container: ContainerRecord,
  name: string,
  endpoints: readonly EndpointRecord[],
): void {
  const renamed = { ...container, name, endpoints }
  parts.store.containers.put(container.id, renamed)
  for (const endpoint of container.endpoints) releaseName(parts, endpoint)
  if (container.state.status === 'running') {
    for (const endpoint of endpoints) {
      nameEndpoint(parts, endpoint)
      announceEndpoint(parts, renamed, endpoint)
    }
  }
  parts.events.emit('container', 'rename', container.id, { name, oldName: `/${container.name}` })
}

function wait(
  parts: Parts,
  container: ContainerRecord,
  condition: 'not-running' | 'next-exit' | 'removed',
  signal: AbortSignal,
): Promise<{ exitCode: number; error: string }> {
  const { state } = container
  if (condition === 'not-running' && state.status !== 'running')
    return Promise.resolve({ exitCode: state.exitCode, error: state.error })
  const { promise, resolve, reject } = Promise.withResolvers<{ exitCode: number; error: string }>()
  let exitCode = state.exitCode
  const unsubscribe = parts.events.subscribe((event) => {
    if (event.id !== container.id) return
    if (event.action === 'die') exitCode = Number(event.attributes['exitCode'])
    if (event.action === (condition === 'removed' ? 'destroy' : 'die') || event.action === 'destroy')
      resolve({ exitCode, error: '' })
  })
  const abort = (): void => reject(new TsnetError('unavailable', 'wait-aborted', 'the client has gone'))
  signal.addEventListener('abort', abort)
  if (signal.aborted) abort()
  return promise.finally(() => {
    unsubscribe()
    signal.removeEventListener('abort', abort)
  })
}
