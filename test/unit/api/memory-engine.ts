import { createHash } from 'node:crypto'
/** An engine that keeps records and nothing else: programs are functions of their input, so that streams can be seen. */
import { Duplex, PassThrough, Readable } from 'node:stream'
import type {
  AttachOptions,
  DriverInfo,
  Engine,
  EngineEvent,
  ExecRecord,
  LogOptions,
  RegistryAuth,
} from '../../../src/engine/engine.ts'
import { planContainer } from '../../../src/engine/plan.ts'
import { TsnetError } from '../../../src/errors.ts'
import type {
  ContainerRecord,
  EndpointRequest,
  ImageRecord,
  NetworkRecord,
  SnapshotRecord,
  TrashRecord,
  VolumeRecord,
} from '../../../src/store/records.ts'
import { type ContainerId, type ExecId, type ImageId, type NetworkId, newId } from '../../../src/values/id.ts'

export interface MemoryEngine extends Engine {
  readonly records: Map<string, ContainerRecord>
  /** What is in the trash. */
  readonly trashed: TrashRecord[]
  /** Calls as they came, for what leaves no record. */
  readonly calls: { name: string; args: readonly unknown[] }[]
  /** Ends a container as its program would. */
  exit(id: string, exitCode: number): void
  emit(event: Omit<EngineEvent, 'time'>): void
  /** What the next pull says and does. */
  pull: (progress: Parameters<Engine['images']['pull']>[2]) => Promise<void>
}

export const demoImage: ImageRecord = {
  id: `sha256:${'a1'.repeat(32)}` as ImageId,
  tags: ['demo:latest', 'demo:1'],
  digests: [],
  createdAt: '2026-01-02T03:04:05Z',
  architecture: 'amd64',
  os: 'linux',
  author: 'somebody',
  comment: '',
  manifest: `sha256:${'c0'.repeat(32)}`,
  layers: ['bottom', 'top'],
  diffIds: [`sha256:${'b0'.repeat(32)}`, `sha256:${'b1'.repeat(32)}`],
  size: 12345,
  config: {
    env: ['FROM_IMAGE=1'],
    entrypoint: ['/entry'],
    command: ['serve'],
    workingDir: '/srv',
    user: '',
    exposedPorts: ['80/tcp'],
    volumes: ['/data'],
    labels: { maker: 'demo' },
    stopSignal: '',
    argsEscaped: false,
  },
}

export const bridge: NetworkRecord = {
  id: 'b'.repeat(64) as NetworkId,
  name: 'bridge',
  driver: 'bridge',
  internal: false,
  attachable: false,
  ipv4: true,
  ipv6: false,
  ipamDriver: 'default',
  ipamOptions: {},
  pools: [{ subnet: '172.17.0.0/16', range: '', gateway: '172.17.0.1', auxiliary: {} }],
  options: {},
  labels: {},
  createdAt: '2026-01-01T00:00:00.000Z',
  predefined: true,
  givenFamilies: [],
  configuration: null,
  dnsServers: [],
  configOnly: false,
  configFrom: '',
}

const demoDriver: DriverInfo = {
  name: 'crypt',
  kind: 'volume',
  origin: 'file',
  capabilities: { scope: 'local' },
  status: 'outdated',
  path: '/etc/tsnet/drivers/crypt.ts',
  description: 'Encrypts',
  error: 'crypt.ts: Unexpected token',
  loadedAt: '2026-01-01T00:00:00.000Z',
  users: 1,
}

/** A frame of Docker's multiplexed stream. */
export function frame(stream: 1 | 2, text: string): Buffer {
  const header = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0])
  header.writeUInt32BE(Buffer.byteLength(text), 4)
  return Buffer.concat([header, Buffer.from(text)])
}

/** A program that says hello, echoes each chunk of its input, and says bye at the input's end. */
function echo(tty: boolean, ended: () => void = () => {}): Duplex {
  const wrap = (text: string): Buffer => (tty ? Buffer.from(text) : frame(1, text))
  const stream = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      stream.push(wrap(chunk.toString()))
      done()
    },
    final: (done) => {
      stream.push(wrap('bye'))
      stream.push(null)
      ended()
      done()
    },
  })
  stream.push(wrap('hello'))
  return stream
}

/** A program that writes on and on, whatever becomes of its input. */
function chatter(closed: () => void): Duplex {
  const timer = setInterval(() => stream.push(frame(1, 'again')), 5)
  const stream = new Duplex({
    read: () => {},
    write: (_chunk, _encoding, done) => done(),
    destroy: (error, done) => {
      clearInterval(timer)
      closed()
      done(error)
    },
  })
  return stream
}

export function createMemoryEngine(): MemoryEngine {
  const records = new Map<string, ContainerRecord>()
  const networks = new Map<string, NetworkRecord>([[bridge.id, bridge]])
  const volumes = new Map<string, VolumeRecord>()
  const trashed: TrashRecord[] = []
  const snapshot: SnapshotRecord = {
    id: newId(),
    volume: newId(),
    name: 'monday',
    createdAt: '2026-01-05T00:00:00.123Z',
    size: 4096,
  }
  const images = new Map<string, ImageRecord>([[demoImage.id, demoImage]])
  const execs = new Map<string, ExecRecord>()
  const listeners = new Set<(event: EngineEvent) => void>()
  const waiters = new Map<string, ((exitCode: number) => void)[]>()
  const calls: MemoryEngine['calls'] = []
  const note = (name: string, ...args: unknown[]): void => void calls.push({ name, args })

  const find = (ref: string): ContainerRecord => {
    const found = [...records.values()].find((one) => one.id.startsWith(ref) || one.name === ref)
    if (found === undefined) throw new TsnetError('not-found', 'none', `No such container: ${ref}`)
    return found
  }
  const findNetwork = (ref: string): NetworkRecord => {
    const found = [...networks.values()].find((one) => one.id.startsWith(ref) || one.name === ref)
    if (found === undefined) throw new TsnetError('not-found', 'none', `network ${ref} not found`)
    return found
  }
  const findImage = (ref: string): ImageRecord => {
    const name = ref.replace(/^docker\.io\/library\//, '')
    const found = [...images.values()].find(
      (one) => one.id.startsWith(name) || one.tags.includes(name) || one.tags.includes(`${name}:latest`),
    )
    if (found === undefined) throw new TsnetError('not-found', 'none', `No such image: ${ref}`)
    return found
  }
  const emit: MemoryEngine['emit'] = (event) => {
    for (const listener of listeners) listener({ ...event, time: 1_767_000_000_123_456_789n })
  }
  const setState = (id: string, state: Partial<ContainerRecord['state']>): void => {
    const record = find(id)
    records.set(record.id, { ...record, state: { ...record.state, ...state } })
  }
  const exit = (id: string, exitCode: number): void => {
    setState(id, { status: 'exited', pid: 0, exitCode, finishedAt: new Date().toISOString() })
    for (const wake of waiters.get(find(id).id) ?? []) wake(exitCode)
    emit({ type: 'container', action: 'die', id, attributes: { exitCode: String(exitCode) } })
  }

  const uploads = new Map<string, Buffer>()
  const engine: MemoryEngine = {
    records,
    trashed,
    calls,
    exit,
    emit,
    pull: async (progress) => progress({ id: '', status: 'done', current: 0, total: 0 }),
    containers: {
      create: async (spec, name) => {
        const id = newId<ContainerId>()
        const image = findImage(spec.image)
        records.set(
          id,
          planContainer(id, name ?? 'some_name', spec, {
            image,
            network: findNetwork,
            checkEndpoint: () => {},
            taken: [],
            mountedImage: findImage,
            dataRoot: '/var/lib/tsnet',
          }),
        )
        emit({ type: 'container', action: 'create', id, attributes: { image: spec.image, name: name ?? '' } })
        return { id, warnings: [] }
      },
      start: async (ref) => {
        const { id, state } = find(ref)
        if (state.status === 'running') throw new TsnetError('unchanged', 'none', 'already running')
        setState(id, { status: 'running', pid: 4711, startedAt: new Date().toISOString() })
      },
      stop: async (ref, options) => {
        note('stop', ref, options)
        exit(ref, 143)
      },
      restart: async (ref, options) => note('restart', ref, options),
      kill: async (ref, signal) => {
        note('kill', ref, signal)
        exit(ref, 137)
      },
      remove: async (ref, options) => {
        note('remove', ref, options)
        records.delete(find(ref).id)
      },
      updateEgress: async (ref, egress) => note('updateEgress', ref, egress),
      updateRates: async (ref, change) => note('updateRates', ref, change),
      updatePorts: async (ref, change) => {
        const record = find(ref)
        records.set(record.id, { ...record, spec: { ...record.spec, ports: change(record.spec.ports) } })
      },
      rename: async (ref, name) => {
        const record = find(ref)
        records.set(record.id, { ...record, name })
      },
      move: async (ref, host, { sent }) => {
        const container = find(ref)
        note('move', ref, host)
        sent('data', 10)
        return { container, error: '' }
      },
      wait: (ref, condition, signal) => {
        const { id, state } = find(ref)
        note('wait', ref, condition)
        if (condition === 'not-running' && state.status !== 'running') {
          return Promise.resolve({ exitCode: state.exitCode, error: state.error })
        }
        return new Promise((resolve, reject) => {
          waiters.set(id, [...(waiters.get(id) ?? []), (exitCode) => resolve({ exitCode, error: '' })])
          signal.addEventListener('abort', () => reject(new TsnetError('unavailable', 'none', 'aborted')))
        })
      },
      get: find,
      list: () => [...records.values()],
      exposedPorts: (container) => container.exposedPorts,
      trustedPorts: () => [],
      waitsFor: () => null,
      attach: async (ref, options: AttachOptions) => {
        note('attach', ref, options)
        const record = find(ref)
        if (record.name === 'chatty') return chatter(() => note('detached', ref))
        return echo(record.spec.tty, () => {
          if (records.get(record.id)?.state.status === 'running') exit(record.id, 0)
        })
      },
      logs: async (ref, options: LogOptions, signal) => {
        note('logs', ref, options)
        find(ref)
        const stream = new PassThrough()
        stream.write(frame(1, 'line\n'))
        if (!options.follow) stream.end()
        signal.addEventListener('abort', () => note('logs-aborted', ref))
        return stream
      },
      resize: async (ref, rows, columns) => note('resize', ref, rows, columns),
    },
    execs: {
      create: async (container, spec) => {
        const id = newId<ExecId>()
        execs.set(id, { id, container: find(container).id, spec, running: false, exitCode: null, pid: 0 })
        return id
      },
      start: async (id, options) => {
        note('exec-start', id, options)
        const record = engine.execs.get(id)
        if (record.exitCode !== null) throw new TsnetError('conflict', 'none', `exec ${id} has already run`)
        if (record.spec.argv[0] === 'missing') {
          execs.set(id, { ...record, exitCode: 127 })
          throw new TsnetError('invalid', 'none', 'exec: "missing": executable file not found in $PATH')
        }
        execs.set(id, { ...record, running: true, pid: 12 })
        const end = (): void => void execs.set(id, { ...record, running: false, exitCode: 3, pid: 0 })
        return options.detach ? null : echo(record.spec.tty, end)
      },
      get: (id) => {
        const record = execs.get(id)
        if (record === undefined) throw new TsnetError('not-found', 'none', `No such exec instance: ${id}`)
        return record
      },
      resize: async (id, rows, columns) => note('exec-resize', id, rows, columns),
    },
    networks: {
      create: async (wish) => {
        const id = newId<NetworkId>()
        const network = {
          ...wish,
          ...{ id, ipv4: wish.ipv4 !== false, ipv6: wish.ipv6 === true },
          createdAt: '2026-01-01T00:00:00.000Z',
          predefined: false,
          givenFamilies: [],
          configuration: null,
        }
        networks.set(id, network)
        return { network, warnings: [] }
      },
      remove: async (ref) => void networks.delete(findNetwork(ref).id),
      prune: async (selected) => {
        const unused = [...networks.values()].filter((network) => !network.predefined && selected(network))
        for (const { id } of unused) networks.delete(id)
        return unused.map(({ name }) => name)
      },
      update: async (ref, change) => {
        note('network-update', ref, change)
        return findNetwork(ref)
      },
      get: findNetwork,
      list: () => [...networks.values()],
      connect: async (ref, container, request: EndpointRequest) => note('connect', ref, container, request),
      disconnect: async (ref, container, force) => note('disconnect', ref, container, force),
      options: (ref) => findNetwork(ref).options,
      endpoints: (ref) =>
        [...records.values()]
          .filter(({ state }) => state.status === 'running')
          .flatMap((container) => container.endpoints.map((endpoint) => ({ container, endpoint })))
          .filter(({ endpoint }) => endpoint.network === findNetwork(ref).id),
      usage: (ref) =>
        Object.fromEntries(
          findNetwork(ref).pools.map(({ subnet }) => [subnet, { inUse: 3, available: 253 }]),
        ),
    },
    volumes: {
      create: async (spec, isProtected = false) => {
        const name = spec.name || newId()
        const made: VolumeRecord = volumes.get(name) ?? {
          ...spec,
          id: newId(),
          protected: isProtected,
          origin: null,
          name,
          driver: spec.driver || 'local',
          createdAt: '2026-01-01T00:00:00.123Z',
          anonymous: spec.name === '',
          mountpoint: `/root/volumes/${name}/_data`,
        }
        volumes.set(name, made)
        return made
      },
      lend: async (name) => `/root/volumes/${name}/_data`,
      takeBack: async (name, user) => note('volume-back', name, user),
      borrowers: () => [],
      remove: async (name, removal) => {
        note('volume-remove', name, removal)
        volumes.delete(name)
      },
      prune: async (selected, pruning) => {
        note('volume-prune', pruning)
        return [...volumes.values()].filter(selected).map((volume) => ({
          volume,
          size: 4096,
          endsAt: null,
        }))
      },
      update: async (name, change) => {
        note('volume-update', name, change)
        return volumes.get(name)!
      },
      rename: async (name, wanted) => {
        note('volume-rename', name, wanted)
        return { ...volumes.get(name)!, name: wanted }
      },
      clone: async (source, clone, watch) => {
        note('volume-clone', source, clone)
        watch.progress?.(5, 10)
        const { name, driver, options, labels } = clone
        const original = volumes.get(source)!
        const made = { driver: driver || original.driver, options: options ?? {}, labels: labels ?? {} }
        return { ...original, ...made, name }
      },
      snapshots: {
        list: () => [snapshot],
        create: async (volume, wanted, watch) => {
          note('volume-snapshot', volume, wanted)
          watch.progress?.(5, 10)
          return { ...snapshot, name: wanted.name || snapshot.name }
        },
        remove: async (volume, ref) => note('snapshot-remove', volume, ref),
        rollback: async (volume, ref, rollback) => {
          note('volume-rollback', volume, ref, rollback)
          return rollback.now ? null : snapshot
        },
      },
      trash: {
        list: () => trashed,
        restore: async (ref, as) => {
          note('volume-restore', ref, as)
          return trashed[0]!.volume
        },
        remove: async (ref) => {
          note('trash-remove', ref)
          return { ...trashed[0]!, endsAt: null }
        },
        empty: async () => trashed.map((record) => ({ ...record, endsAt: null })),
        endsAt: () => '2026-01-03T00:00:00.000Z',
      },
      get: (name) => {
        const found = volumes.get(name)
        if (found === undefined) throw new TsnetError('not-found', 'none', `get ${name}: no such volume`)
        return found
      },
      list: () => [...volumes.values()],
      others: () => [],
      status: () => null,
      quota: async (name) =>
        volumes.get(name)?.options['size'] === undefined ? null : { used: 1024, limit: 4096 },
      sizes: async () => new Map([...volumes.keys()].slice(0, 1).map((name) => [name, 8192])),
      users: () =>
        Map.groupBy(
          [...records.values()].filter(({ mounts }) => mounts.length > 0),
          ({ mounts }) => mounts[0]!.name,
        ),
    },
    volumeArchives: {
      export: async (name, resume) => {
        note('volume-export', name, resume)
        const archive = Buffer.from('archive')
        const there = archive.subarray(0, resume?.offset ?? 0)
        if (resume !== null && resume.sha256 !== createHash('sha256').update(there).digest('hex'))
          throw new TsnetError('conflict', 'volume-changed', `volume "${name}" has changed`)
        return Readable.from([archive.subarray(there.length)])
      },
      uploaded: async (token) => uploads.get(token)?.length ?? 0,
      receive: async (token, offset, bytes) => {
        const before = (uploads.get(token) ?? Buffer.alloc(0)).subarray(0, offset)
        uploads.set(token, Buffer.concat([before, ...(await bytes.toArray())]))
        return uploads.get(token)!.length
      },
      import: async (name, token, wanted, watch) => {
        note('volume-import', name, uploads.get(token)?.toString(), wanted)
        watch.progress?.(5, 10)
        const spec = { name, driver: 'local', options: wanted.options, labels: wanted.labels ?? {} }
        return {
          volume: await engine.volumes.create(spec),
          kept: null,
          isVerified: true,
          entries: 1,
          bytes: 5,
        }
      },
    },
    images: {
      get: findImage,
      list: () => [...images.values()],
      config: async (id) => ({
        config: { Cmd: ['serve'], Custom: true },
        history: [
          { created: '2026-01-01T00:00:00Z', created_by: 'ADD', empty_layer: true },
          { comment: 'second' },
        ],
        id,
      }),
      pull: async (ref, options: { platform: string; auth: RegistryAuth | null }, progress) => {
        note('pull', ref, options.platform, options.auth)
        await engine.pull(progress)
      },
      load: async (archive, progress) => {
        let bytes = 0
        for await (const chunk of archive) bytes += (chunk as Buffer).length
        progress({ id: 'layer', status: 'Loading layer', current: bytes, total: bytes })
        return ['demo:latest', demoImage.id]
      },
      import: async (archive, options) => {
        const chunks: Buffer[] = []
        for await (const chunk of archive) chunks.push(chunk as Buffer)
        note('import', Buffer.concat(chunks).toString(), options)
        return demoImage.id
      },
      save: async (refs) => Readable.from([Buffer.from(`archive of ${refs.join(' and ')}`)]),
      tag: async (ref, target) => {
        note('tag', ref, target)
        findImage(ref)
      },
      remove: async (ref, options) => {
        note('image-remove', ref, options)
        return [{ untagged: ref }, { deleted: demoImage.id }]
      },
    },
    info: () => ({
      name: 'host',
      dataRoot: '/root',
      execRoot: '/exec',
      firewall: 'nftables',
      cgroupVersion: 1,
      kernel: '6.1.0',
      operatingSystem: 'Demo Linux',
      cpus: 2,
      memory: 4_000_000_000,
      seccomp: true,
      id: 'installation',
    }),
    hosts: {
      list: async () => {
        throw new TsnetError('unavailable', 'no-cluster', 'this daemon is in no cluster')
      },
      status: () => null,
      peers: async () => null,
      verify: async () => {
        throw new TsnetError('unavailable', 'no-cluster', 'this daemon is in no cluster')
      },
    },
    drivers: {
      list: () => [demoDriver],
      get: () => [demoDriver],
      reload: async () => {
        note('driver-reload')
        return [demoDriver]
      },
    },
    topology: () => ({
      interfaces: [],
      networks: [...networks.values()].map((network) => ({ network, link: '' })),
      containers: [...records.values()].map((container) => ({ container, routes: { v4: null, v6: null } })),
    }),
    pastEvents: () => [],
    subscribe: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
  return engine
}
