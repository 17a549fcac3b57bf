/** Containers: all but what is a stream. */
import type { Containers, Engine, Images } from '../../engine/engine.ts'
import type { ContainerRecord, ImageRecord } from '../../store/records.ts'
import type { App } from '../app.ts'
import { parseFilters } from '../filters.ts'
import { flagParameter, integerParameter, type Query, textParameter } from '../query.ts'
import type { ContainerInspect, ContainerSummary } from '../schema/container.ts'
import { ContainerCreate, type ContainerCreated } from '../schema/container-create.ts'
import { toContainerSpec } from '../wire/container-create.ts'
import { toContainerInspect } from '../wire/container-inspect.ts'
import { containerFilters, selectContainers, toContainerSummary } from '../wire/container-list.ts'

export interface ContainersBackend {
  readonly containers: Pick<
    Containers,
    'create' | 'start' | 'stop' | 'restart' | 'kill' | 'remove' | 'rename' | 'get' | 'list'
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
  const selected = selectContainers(containers.list(), request, { container: containers.get, imageId })
  return summarize(selected, imageId)
}

/** Each reference is looked up once, however many containers were made from it. */
export function summarize(
  records: readonly ContainerRecord[],
  imageId: (ref: string) => string | undefined,
): ContainerSummary[] {
  const ids = new Map<string, string | undefined>()
  const now = Date.now()
  return records.map((record) => {
    const ref = record.spec.image
    if (!ids.has(ref)) ids.set(ref, imageId(ref))
    return toContainerSummary(record, ids.get(ref) === record.image ? ref : record.image, now)
  })
}

function inspect(backend: ContainersBackend, name: string, apiVersion: number): ContainerInspect {
  const record = backend.containers.get(name)
  const { dataRoot, execRoot } = backend.info()
  const image = findImage(backend.images, record.image) ?? null
  return toContainerInspect(record, { image, dataRoot, execRoot, apiVersion })
}
