import { Duplex, PassThrough, type Readable } from 'node:stream'
import { TsnetError } from '../errors.ts'
import type { ContainerRecord, ContainerSpec, MountPoint, NetworkRecord } from '../store/records.ts'
import { readLog } from '../supervisor/logs.ts'
import { checkResources } from '../sys/resources.ts'
import { type ContainerId, newId } from '../values/id.ts'
import { checkContainerName, randomName } from '../values/name.ts'
import { ensureBindSource } from '../volumes/bind.ts'
import { parseDetachKeys } from './detach-keys.ts'
import { nameEndpoint, reserveFixed } from './endpoints.ts'
import type { AttachOptions, Containers, LogOptions } from './engine.ts'
import type { Parts } from './parts.ts'
import { planContainer } from './plan.ts'
import { findContainer, findNetwork } from './references.ts'
import { createsSource, logPath, startContainer } from './start.ts'
import { killContainer, removeContainer, stopContainer, untilStopped } from './stop.ts'
import { createVolume } from './volumes.ts'

export function createContainers(parts: Parts): Containers {
  const find = (ref: string): ContainerRecord => findContainer(parts.store.containers, ref)
  const locked = <T>(ref: string, body: (container: ContainerRecord) => Promise<T>): Promise<T> => {
    const { id } = find(ref)
    // Looked up again inside: it may have changed, or gone, while waiting.
    return parts.locks.run(id, () => body(find(id)))
  }
  return {
    create: (spec, name) => createContainer(parts, spec, name),
    start: (ref) => locked(ref, (container) => start(parts, container)),
    stop: async (ref, options) => stopContainer(parts, find(ref), options),
    restart: async (ref, options) => {
      const container = find(ref)
      if (container.state.status === 'running') await stopContainer(parts, container, options)
      await locked(container.id, (stopped) => start(parts, stopped))
      parts.events.emit('container', 'restart', container.id, { name: container.name })
    },
    kill: async (ref, signal) => killContainer(parts, find(ref), signal),
    remove: (ref, options) => remove(parts, find(ref), options),
    rename: (ref, name) => locked(ref, async (container) => rename(parts, container, name)),
    wait: (ref, condition, signal) => wait(parts, find(ref), condition, signal),
    get: find,
    list: () => [...parts.store.containers.values()],
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

function nameTaken(parts: Parts, name: string): ContainerRecord | undefined {
  return parts.store.containers.values().find((container) => container.name === name)
}

function refuseTakenName(parts: Parts, name: string): void {
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

async function createContainer(
  parts: Parts,
  given: ContainerSpec,
  wanted: string | null,
): Promise<{ id: ContainerId; warnings: string[] }> {
  const name = wanted === null || wanted === '' ? freeName(parts) : wanted.replace(/^\//, '')
  checkContainerName(name)
  const id = newId<ContainerId>()
  const limits = checkResources(given.resources)
  const spec = { ...given, resources: limits.resources }
  await parts.images.ensureBuiltin(spec.image)
  const image = parts.images.get(spec.image)
  const planned = planContainer(id, name, spec, {
    image,
    network: (ref) => findWantedNetwork(parts, ref),
  })
  await checkBindSources(planned)
  // From here to the record's end under the name's lock: two creates of one name must not both succeed.
  return parts.locks.run(`name ${name}`, async () => {
    refuseTakenName(parts, name)
    const entry = parts.store.journal.begin('create', id, { endpoints: planned.endpoints })
    await using undo = new AsyncDisposableStack()
    undo.defer(() => parts.store.journal.clear(entry))
    await reserveFixed(parts, undo, planned.endpoints)
    const container = { ...planned, mounts: await createVolumes(parts, planned, spec) }
    parts.store.transaction(() => {
      parts.store.containers.put(id, container)
      parts.store.journal.clear(entry)
    })
    undo.move()
    parts.events.emit('container', 'create', id, { name, image: spec.image })
    return { id, warnings: [...limits.warnings, ...warningsFor(container)] }
  })
}

async function checkBindSources(container: ContainerRecord): Promise<void> {
  for (const mount of container.mounts) {
    if (mount.type === 'bind' && !createsSource(container, mount)) await ensureBindSource(mount.source, false)
  }
}

/** Clients take a create's 'not-found' for the image's and pull that: of a network it is the request that is wrong. */
function findWantedNetwork(parts: Parts, ref: string): NetworkRecord {
  try {
    return findNetwork(parts.store.networks, ref)
  } catch (error) {
    if (!(error instanceof TsnetError && error.kind === 'not-found')) throw error
    throw new TsnetError('invalid', error.code, error.message)
  }
}

function warningsFor(container: ContainerRecord): string[] {
  const discarded = container.spec.ports.length > 0 && container.spec.networkMode === 'host'
  return discarded ? ['Published ports are discarded when using host network mode'] : []
}

/** Makes the volumes that are missing. One removed in the meantime is made again: when this returns, all are there. */
async function createVolumes(
  parts: Parts,
  container: ContainerRecord,
  spec: ContainerSpec,
): Promise<MountPoint[]> {
  const named = new Map<string, MountPoint>()
  for (;;) {
    const missing = container.mounts.filter(
      (mount) => mount.type === 'volume' && !parts.store.volumes.has(named.get(mount.target)?.name ?? ''),
    )
    if (missing.length === 0) return container.mounts.map((mount) => named.get(mount.target) ?? mount)
    for (const mount of missing) {
      const request = spec.mounts.find((candidate) => candidate.target === mount.target)
      const volume = await createVolume(parts, {
        name: named.get(mount.target)?.name ?? mount.name,
        driver: mount.driver,
        options: request?.driverOptions ?? {},
        labels: request?.labels ?? {},
      })
      named.set(mount.target, { ...mount, name: volume.name, source: volume.mountpoint })
    }
  }
}

async function start(parts: Parts, container: ContainerRecord): Promise<void> {
  try {
    await startContainer(parts, container.id)
  } catch (error) {
    if (error instanceof TsnetError && error.kind === 'unchanged') throw error
    if (container.spec.autoRemove) await removeContainer(parts, recordFailure(parts, container, error), true)
    else recordFailure(parts, container, error)
    throw error
  }
}

/** The record tells why a container did not start, with the exit code that a shell would give. */
function recordFailure(parts: Parts, container: ContainerRecord, error: unknown): ContainerRecord {
  const exitCode = (error as { exitCode?: number }).exitCode || 128
  const state = { ...container.state, exitCode, error: (error as Error).message }
  const failed = { ...container, state }
  parts.store.containers.put(container.id, failed)
  return failed
}

async function remove(
  parts: Parts,
  container: ContainerRecord,
  options: { force: boolean; volumes: boolean },
): Promise<void> {
  if (container.state.status === 'running') {
    if (!options.force) {
      throw new TsnetError(
        'conflict',
        'container-running',
        `cannot remove container "${container.name}": container is running: stop the container before removing or force remove`,
      )
    }
    const stopped = untilStopped(parts, container.id)
    await killContainer(parts, container, 'SIGKILL').catch((error: unknown) => {
      if (!(error instanceof TsnetError && error.code === 'child-gone')) throw error
    })
    await stopped
  }
  await parts.locks.run(container.id, async () => {
    const present = parts.store.containers.get(container.id)
    // Removed by --rm in the meantime: that is what was wanted.
    if (present !== undefined) await removeContainer(parts, present, options.volumes)
  })
}

function rename(parts: Parts, container: ContainerRecord, wanted: string): void {
  const name = wanted.replace(/^\//, '')
  checkContainerName(name)
  if (name === container.name) {
    throw new TsnetError(
      'invalid',
      'same-name',
      `Renaming a container with the same name as its current name: ${name}`,
    )
  }
  refuseTakenName(parts, name)
  const endpoints = container.endpoints.map((endpoint) => ({
    ...endpoint,
    dnsNames: endpoint.dnsNames.map((dnsName) => (dnsName === container.name ? name : dnsName)),
  }))
  parts.store.containers.put(container.id, { ...container, name, endpoints })
  if (container.state.status === 'running') for (const endpoint of endpoints) nameEndpoint(parts, endpoint)
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
  return promise.finally(() => {
    unsubscribe()
    signal.removeEventListener('abort', abort)
  })
}

/** Resolves when the container's program is no more. */
function untilGone(parts: Parts, container: ContainerRecord): Promise<void> | null {
  return container.state.status === 'running' ? untilStopped(parts, container.id) : null
}

function logs(parts: Parts, container: ContainerRecord, options: LogOptions, signal: AbortSignal): Readable {
  const ending = options.follow ? untilGone(parts, container) : null
  return readLog(logPath(parts, container.id), { ...options, tty: container.spec.tty }, ending, signal)
}

async function attach(parts: Parts, container: ContainerRecord, options: AttachOptions): Promise<Duplex> {
  const { stdin, stdout, stderr } = options
  const { tty } = container.spec
  const past = options.logs
    ? readLog(
        logPath(parts, container.id),
        { ...everything, stdout, stderr, tty },
        null,
        new AbortController().signal,
      )
    : null
  if (!options.stream) return Duplex.from(past ?? [])
  const live = await parts.supervisor.attach({
    stream: container.id,
    stdin: stdin && container.spec.openStdin,
    stdout,
    stderr,
    tty,
    detachKeys: parseDetachKeys(options.detachKeys),
  })
  parts.events.emit('container', 'attach', container.id, { name: container.name })
  return past === null ? live : replayThenLive(past, live)
}

const everything = { timestamps: false, since: 0, until: 0, tail: -1 }

/** First the log, then what the program writes from now on; input goes to the program at once. */
function replayThenLive(past: Readable, live: Duplex): Duplex {
  const output = new PassThrough()
  past.pipe(output, { end: false })
  past.on('end', () => live.pipe(output))
  const both = new Duplex({
    allowHalfOpen: true,
    read: () => output.resume(),
    write: (chunk: Buffer, _encoding, done) => void live.write(chunk, done),
    final: (done) => void live.end(done),
    destroy: (error, done) => {
      live.destroy()
      done(error)
    },
  })
  output.on('data', (chunk: Buffer) => {
    if (!both.push(chunk)) output.pause()
  })
  output.on('end', () => both.push(null))
  return both
}
