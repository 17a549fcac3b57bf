/** Containers: all but what is a stream. */
import type { Containers, Engine, Images } from '../../engine/engine.ts'
import { rangeOf, takeBindings, withoutBindings } from '../../engine/port-set.ts'
import { TsnetError } from '../../errors.ts'
import type { ContainerRecord, ImageRecord, PortBinding } from '../../store/records.ts'
import { formatPortRange } from '../../values/port-range.ts'
import type { App } from '../app.ts'
import { parseFilters } from '../filters.ts'
import { flagParameter, integerParameter, type Query, textParameter } from '../query.ts'
import type { ContainerInspect, ContainerSummary } from '../schema/container.ts'
import {
  ContainerCreate,
  type ContainerCreated,
  ContainerUpdate,
  type ContainerUpdated,
  EgressUpdate,
  RateUpdate,
} from '../schema/container-create.ts'
import { toContainerSpec } from '../wire/container-create.ts'
import { toContainerInspect } from '../wire/container-inspect.ts'
import { containerFilters, selectContainers, toContainerSummary } from '../wire/container-list.ts'
import { toEgress } from '../wire/egress.ts'
import { toPortBindings, toTrustedRanges } from '../wire/ports.ts'

export interface ContainersBackend {
  readonly containers: Pick<
    Containers,
    | 'create'
    | 'start'
    | 'stop'
    | 'restart'
    | 'kill'
    | 'remove'
    | 'rename'
    | 'updateEgress'
    | 'updatePorts'
    | 'updateRates'
    | 'get'
    | 'list'
    | 'exposedPorts'
    | 'trustedPorts'
    | 'waitsFor'
  >
  readonly images: Pick<Images, 'get'>
  readonly info: Engine['info']
}

interface Named {
  Params: { name: string }
  Querystring: Query
}

export function containerRoutes(app: App, backend: ContainersBackend): void {
  const { containers } = backend

  app.get<{ Querystring: Query }>('/containers/json', async (request) =>
    listContainers(backend, request.query),
  )

  app.post('/containers/create', { schema: { body: ContainerCreate } }, async (request, reply) => {
    const query = request.query as Query
    const { apiVersion } = request
    const { spec, warnings } = toContainerSpec(request.body, { apiVersion, cpus: backend.info().cpus })
    const created = await containers.create(spec, textParameter(query, 'name') || null)
    const answer: ContainerCreated = { Id: created.id, Warnings: [...created.warnings, ...warnings] }
    return reply.code(201).send(answer)
  })

  app.get<Named>('/containers/:name/json', async (request) =>
    inspect(backend, request.params.name, request.apiVersion),
  )

  app.post<Named>('/containers/:name/start', async (request, reply) => {
    await containers.start(request.params.name)
    return reply.code(204).send()
  })

  app.post<Named>('/containers/:name/stop', async (request, reply) => {
    await containers.stop(request.params.name, stopOptions(request.query, request.apiVersion))
    return reply.code(204).send()
  })

  app.post<Named>('/containers/:name/restart', async (request, reply) => {
    await containers.restart(request.params.name, stopOptions(request.query, request.apiVersion))
    return reply.code(204).send()
  })

  app.post<Named>('/containers/:name/kill', async (request, reply) => {
    await containers.kill(request.params.name, textParameter(request.query, 'signal') || 'SIGKILL')
    return reply.code(204).send()
  })

  app.post('/containers/:name/update', { schema: { body: ContainerUpdate } }, async (request) => {
    const { name } = request.params as Named['Params']
    checkUpdate(request.body)
    const wanted = toPortBindings(request.body.PortBindings ?? {})
    await containers.updatePorts(name, () => wanted)
    return { Warnings: [] } satisfies ContainerUpdated
  })

  app.post(
    '/tsnet/v1/containers/:name/egress',
    { schema: { body: EgressUpdate } },
    async (request, reply) => {
      const { name } = request.params as Named['Params']
      await containers.updateEgress(name, toEgress(request.body.Egress))
      return reply.code(204).send()
    },
  )

  app.post('/tsnet/v1/containers/:name/rate', { schema: { body: RateUpdate } }, async (request, reply) => {
    const { name } = request.params as Named['Params']
    const { Out, In } = request.body as RateUpdate
    await containers.updateRates(name, { out: Out ?? null, in: In ?? null })
    return reply.code(204).send()
  })

  app.post(
    '/tsnet/v1/containers/:name/publish',
    { schema: { body: ContainerUpdate } },
    async (request, reply) => {
      const { name } = request.params as Named['Params']
      const added = toPortBindings(request.body.PortBindings ?? {})
      await containers.updatePorts(name, (present) => [...withoutBindings(present, added), ...added])
      return reply.code(204).send()
    },
  )

  app.post(
    '/tsnet/v1/containers/:name/unpublish',
    { schema: { body: ContainerUpdate } },
    async (request, reply) => {
      const { name } = request.params as Named['Params']
      const unwanted = toPortBindings(request.body.PortBindings ?? {})
      await containers.updatePorts(name, (present) => unpublish(name, present, unwanted))
      return reply.code(204).send()
    },
  )

  app.post<Named>('/containers/:name/rename', async (request, reply) => {
    await containers.rename(request.params.name, textParameter(request.query, 'name'))
    return reply.code(204).send()
  })

  app.delete<Named>('/containers/:name', async (request, reply) => {
    const { query } = request
    await containers.remove(request.params.name, {
      force: flagParameter(query, 'force'),
      volumes: flagParameter(query, 'v'),
    })
    return reply.code(204).send()
  })
}

/** The signal of a stop came with 1.42. */
function stopOptions(query: Query, apiVersion: number): { signal: string | null; timeout: number | null } {
  const signal = apiVersion >= 42 ? textParameter(query, 'signal') : ''
  return { signal: signal || null, timeout: integerParameter(query, 't') }
}

/** Clients send all fields that can be updated, with what they mean to leave alone empty. */
function checkUpdate(body: ContainerUpdate): void {
  const { PortBindings, ...others } = body
  const wanted = Object.entries(others).find(([, value]) => !isEmpty(value))?.[0]
  if (wanted === undefined && PortBindings !== undefined && PortBindings !== null) return
  const what = wanted === undefined ? 'updating containers' : `updating ${wanted} of a container`
  throw new TsnetError(
    'unsupported',
    'unsupported-update',
    `${what} is not supported by tsnet: give PortBindings`,
  )
}

function isEmpty(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.values(value).every(isEmpty)
  return !value
}

/** Throws kind 'not-found' for what is not published. */
function unpublish(
  container: string,
  present: readonly PortBinding[],
  unwanted: readonly PortBinding[],
): readonly PortBinding[] {
  return unwanted.reduce<readonly PortBinding[]>((bindings, one) => {
    const left = takeBindings(bindings, one)
    if (left.length !== bindings.length || left.some((binding, index) => binding !== bindings[index]))
      return left
    const ports = formatPortRange(rangeOf(one))
    throw new TsnetError(
      'not-found',
      'not-published',
      `container ${container} does not publish ${ports} there`,
    )
  }, present)
}

/** undefined when there is none by that reference. */
function findImage(images: Pick<Images, 'get'>, ref: string): ImageRecord | undefined {
  try {
    return images.get(ref)
  } catch {
    return undefined
  }
}

function listContainers(backend: ContainersBackend, query: Query): ContainerSummary[] {
  const { containers, images } = backend
  const imageId = (ref: string): string | undefined => findImage(images, ref)?.id
  const request = {
    all: flagParameter(query, 'all'),
    limit: integerParameter(query, 'limit') ?? 0,
    filters: parseFilters(query, containerFilters),
  }
  const listed = containers
    .list()
    .map((record) => ({ ...record, exposedPorts: containers.exposedPorts(record) }))
  const selected = selectContainers(listed, request, { container: containers.get, imageId })
  const ranges = flagParameter(query, 'ranges')
  const summaries = summarize(selected, imageId, ranges, containers.waitsFor)
  return ranges ? summaries.map((summary, at) => withTrusted(containers, summary, selected[at]!)) : summaries
}

function withTrusted(
  containers: ContainersBackend['containers'],
  summary: ContainerSummary,
  record: ContainerRecord,
): ContainerSummary {
  const ports = record.state.status === 'running' ? containers.trustedPorts(record) : []
  return ports.length === 0 ? summary : { ...summary, Trusted: toTrustedRanges(ports) }
}

/** Each reference is looked up once, however many containers were made from it. */
export function summarize(
  records: readonly ContainerRecord[],
  imageId: (ref: string) => string | undefined,
  ranges = false,
  waitsFor: Containers['waitsFor'] = () => null,
): ContainerSummary[] {
  const ids = new Map<string, string | undefined>()
  const now = Date.now()
  return records.map((record) => {
    const ref = record.spec.image
    if (!ids.has(ref)) ids.set(ref, imageId(ref))
    const image = ids.get(ref) === record.image ? ref : record.image
    return toContainerSummary(record, image, now, ranges, waitsFor(record.id))
  })
}

function inspect(backend: ContainersBackend, name: string, apiVersion: number): ContainerInspect {
  const record = backend.containers.get(name)
  const { dataRoot, execRoot } = backend.info()
  const image = findImage(backend.images, record.image) ?? null
  const waiting = backend.containers.waitsFor(record.id)
  const exposed = backend.containers.exposedPorts(record)
  return toContainerInspect(record, { image, dataRoot, execRoot, apiVersion, waiting, exposed })
}
