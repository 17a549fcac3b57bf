/** From running to gone. Every step is safe to repeat, goes on after a failure, and reports all failures at the end. */

import { errorMessage, TsnetError } from '../errors.ts'
import { removeRootfs } from '../images/rootfs.ts'
import { removeSandbox } from '../sandbox/sandbox.ts'
import type { ContainerRecord, ContainerState } from '../store/records.ts'
import type { ExitRecord } from '../supervisor/protocol.ts'
import { removeCgroup } from '../sys/cgroup.ts'
import { parseSignal, signalName } from '../sys/signal.ts'
import { timeAction } from '../timings.ts'
import type { ContainerId } from '../values/id.ts'
import { forgetNames } from './cluster-endpoints.ts'
import { egressRules } from './egress-policy.ts'
import { detachEndpoint, ownsSandbox } from './endpoints.ts'
import { releaseMappings } from './mappings.ts'
import { tellMoves } from './network-events.ts'
import type { Parts } from './parts.ts'
import { forgetFlows, portRules } from './published.ts'
import { volumeReleases } from './volume-mounts.ts'
import { removeVolumes } from './volume-removal.ts'

/** Runs all of `steps`, whatever fails, and throws the failures together. */
async function all(steps: readonly (() => unknown)[]): Promise<void> {
  const results = await Promise.allSettled(steps.map(async (step) => step()))
  const failures = results
    .filter((result) => result.status === 'rejected')
    .map(({ reason }) => reason as unknown)
  if (failures.length === 1) throw failures[0]
  if (failures.length > 1) throw new AggregateError(failures, failures.map(errorMessage).join('; '))
}

/** What others may be waiting for: ports, names. Takes a millisecond. */
function releaseShared(parts: Parts, container: ContainerRecord): Promise<void> {
  return all([
    () => parts.names.close(container.id),
    ...container.endpoints.map((endpoint) => () => forgetNames(parts, endpoint)),
    async () => {
      await parts.firewall.apply({ add: [], remove: portRules(parts, container) })
      forgetFlows(parts, container.published)
    },
    () => parts.ports.release(container.id),
  ])
}

/** What was the container's own. The kernel takes some ten milliseconds to remove an interface. */
function releaseOwn(parts: Parts, container: ContainerRecord): Promise<void> {
  return all([
    async () => {
      try {
        await all(
          container.endpoints.map((endpoint) => () => detachEndpoint(parts, container.id, endpoint, true)),
        )
      } finally {
        if (ownsSandbox(parts, container)) removeSandbox(parts.execRoot, container.id)
        // not before: others may be in the namespace still
        await all([
          () => parts.egress.close(container.id),
          () => parts.firewall.apply({ add: [], remove: egressRules(parts, container) }),
        ])
      }
    },
    () => removeCgroup(parts.mark, container.id),
    ...volumeReleases(parts, container),
  ])
}

/** Gives back all that a start has taken. The records stay; so do fixed addresses. */
export function releaseContainer(parts: Parts, container: ContainerRecord): Promise<void> {
  return all([() => releaseShared(parts, container), () => releaseOwn(parts, container)])
}

/** What the record says after an ending. */
function exitedState(container: ContainerRecord, exit: ExitRecord, oomKilled: boolean): ContainerState {
  return {
    ...container.state,
    status: 'exited',
    pid: 0,
    exitCode: exit.exitCode,
    oomKilled,
    finishedAt: exit.finishedAt,
  }
}

/**
 * A program has ended: its network goes, its status stays. The ending is told as soon as ports and names are free; the rest
 * is given back before this returns. Call under the container's lock.
 */
export async function recordExit(parts: Parts, exit: ExitRecord, oomKilled: boolean): Promise<void> {
  const container = parts.store.containers.get(exit.id)
  if (container?.state.status !== 'running') return forgetChild(parts, exit.id)
  const { journal } = parts.store
  const entry = journal.begin('stop', container.id)
  await reportFailure(parts, container, releaseShared(parts, container))
  const state = exitedState(container, exit, oomKilled)
  parts.store.containers.put(container.id, { ...container, state, published: [] })
  emitEnding(parts, container, exit, oomKilled)
  // Told at once, so that who attaches from now on is attached to the next run.
  await Promise.all([
    forgetChild(parts, exit.id),
    reportFailure(parts, container, releaseOwn(parts, container)),
  ])
  journal.clear(entry)
}

/**
 * The supervisor lets go of a recorded ending's clients: whoever sees the end of the output finds the exit code. A supervisor
 * that is lost has none; its successor is asked by reconcile.
 */
export async function forgetChild(parts: Parts, id: string): Promise<void> {
  try {
    await parts.supervisor.call('forget', { id })
  } catch (error) {
    parts.log.warn({ err: error, id }, 'the supervisor could not be told of a recorded ending')
  }
}

/** An ending is recorded whatever cannot be given back; the next start of the daemon sweeps that up. */
async function reportFailure(
  parts: Parts,
  container: ContainerRecord,
  release: Promise<void>,
): Promise<void> {
  try {
    await release
  } catch (error) {
    const message = 'not everything of an ended container could be given back'
    parts.log.error({ err: error, container: container.id }, message)
  }
}

function emitEnding(parts: Parts, container: ContainerRecord, exit: ExitRecord, oomKilled: boolean): void {
  const { id, name, spec } = container
  if (oomKilled) parts.events.emit('container', 'oom', id, { name })
  parts.events.emit('container', 'die', id, { name, image: spec.image, exitCode: String(exit.exitCode) })
  tellMoves(parts, 'disconnect', container)
}

/** Resolves when the container has stopped running, or when `signal` aborts. */
export function untilStopped(parts: Parts, id: ContainerId, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted || parts.store.containers.get(id)?.state.status !== 'running') return Promise.resolve()
  return new Promise((resolve) => {
    const finish = (): void => {
      unsubscribe()
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const unsubscribe = parts.events.subscribe((event) => {
      if (event.id === id && event.action === 'die') finish()
    })
    signal?.addEventListener('abort', finish)
  })
}

/** Sends a signal to a running container's first process. Throws kind 'conflict' when it does not run. */
export async function killContainer(parts: Parts, container: ContainerRecord, signal: string): Promise<void> {
  const number = parseSignal(signal)
  if (container.state.status !== 'running') {
    throw new TsnetError(
      'conflict',
      'not-running',
      `Cannot kill container: ${container.name}: container ${container.id} is not running`,
    )
  }
  await parts.supervisor.call('signal', { id: container.id, signal: number })
  parts.events.emit('container', 'kill', container.id, { name: container.name, signal: String(number) })
}

const defaultStopTimeout = 10

/** Signal, wait, SIGKILL. `timeout` in seconds, negative waits for ever. */
export async function stopContainer(
  parts: Parts,
  container: ContainerRecord,
  options: { signal: string | null; timeout: number | null },
): Promise<void> {
  if (container.state.status !== 'running') {
    throw new TsnetError('unchanged', 'not-running', `container ${container.name} is already stopped`)
  }
  const timeout = options.timeout ?? container.spec.stopTimeout ?? defaultStopTimeout
  const stopped = untilStopped(parts, container.id)
  await sendIfRunning(parts, container, options.signal ?? container.stopSignal)
  if (!(await within(stopped, timeout))) {
    await sendIfRunning(parts, container, 'SIGKILL')
    await stopped
  }
  parts.events.emit('container', 'stop', container.id, { name: container.name })
}

/** SIGKILL; resolves when the container has stopped running. */
export async function endContainer(parts: Parts, container: ContainerRecord): Promise<void> {
  const stopped = untilStopped(parts, container.id)
  await sendIfRunning(parts, container, 'SIGKILL')
  await stopped
}

/** A program may end by itself before the signal reaches it: that is as good. */
async function sendIfRunning(parts: Parts, container: ContainerRecord, signal: string): Promise<void> {
  try {
    await killContainer(parts, container, signalName(parseSignal(signal)))
  } catch (error) {
    if (!(error instanceof TsnetError && error.code === 'child-gone')) throw error
  }
}

/** Whether the promise resolved in time; a negative time is for ever. */
async function within(promise: Promise<void>, seconds: number): Promise<boolean> {
  if (seconds < 0) {
    await promise
    return true
  }
  const { promise: late, resolve } = Promise.withResolvers<false>()
  const timer = setTimeout(() => resolve(false), seconds * 1000)
  try {
    return await Promise.race([promise.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}

/** Removes a container that does not run, with its anonymous volumes if wished. Call under its lock. */
export function removeContainer(
  parts: Parts,
  container: ContainerRecord,
  withVolumes: boolean,
): Promise<void> {
  return timeAction('delete', () => removeAll(parts, container, withVolumes))
}

async function removeAll(parts: Parts, container: ContainerRecord, withVolumes: boolean): Promise<void> {
  const { store } = parts
  const volumes = withVolumes ? anonymousVolumes(parts, container) : []
  const entry = store.journal.begin('remove', container.id, { volumes })
  store.containers.put(container.id, { ...container, state: { ...container.state, status: 'removing' } })
  await finishRemoval(parts, container)
  store.containers.delete(container.id)
  releaseMappings(parts, container)
  await forgetChild(parts, container.id)
  await removeVolumes(parts, volumes)
  store.journal.clear(entry)
  parts.events.emit('container', 'destroy', container.id, {
    name: container.name,
    image: container.spec.image,
  })
}

/** The part of a removal that can be repeated after a crash. */
export async function finishRemoval(parts: Parts, container: ContainerRecord): Promise<void> {
  for (const endpoint of container.endpoints) {
    await detachEndpoint(parts, container.id, endpoint, false)
  }
  await removeRootfs(parts.dataRoot, container.id)
}

function anonymousVolumes(parts: Parts, container: ContainerRecord): string[] {
  return container.mounts
    .filter(({ type, name }) => type === 'volume' && parts.store.volumes.get(name)?.anonymous === true)
    .map(({ name }) => name)
}
