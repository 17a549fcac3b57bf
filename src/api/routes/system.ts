/** The daemon itself: ping, version, info, events, disk usage. */
import { arch } from 'node:os'
import { PassThrough } from 'node:stream'
import type { Containers, Drivers, Engine, EngineEvent, Hosts, Images, Volumes } from '../../engine/engine.ts'
import { TsnetError } from '../../errors.ts'
import type { App } from '../app.ts'
import { type Filters, parseFilters } from '../filters.ts'
import { listParameter, type Query, textParameter, timeParameter } from '../query.ts'
import type { DiskUsage } from '../schema/system.ts'
import { sendStream } from '../stream.ts'
import { eventFilters, formatEvent, matchesEvent } from '../wire/event.ts'
import { toImageSummary } from '../wire/image.ts'
import { toSystemInfo, toVersion } from '../wire/system.ts'
import { toVolume } from '../wire/volume.ts'
import { summarize } from './containers.ts'

export interface SystemBackend {
  readonly containers: Pick<Containers, 'list'>
  readonly images: Pick<Images, 'list' | 'get'>
  readonly volumes: Pick<Volumes, 'list' | 'users' | 'sizes'>
  readonly hosts: Pick<Hosts, 'status'>
  readonly drivers: Pick<Drivers, 'list'>
  readonly info: Engine['info']
  readonly pastEvents: Engine['pastEvents']
  readonly subscribe: Engine['subscribe']
}

const pingHeaders = {
  'content-type': 'text/plain; charset=utf-8',
  'cache-control': 'no-cache, no-store, must-revalidate',
  pragma: 'no-cache',
  swarm: 'inactive',
} as const

export function systemRoutes(app: App, backend: SystemBackend, version: string): void {
  app.head('/_ping', async (_request, reply) =>
    reply.headers({ ...pingHeaders, 'content-length': '0' }).send(),
  )
  app.get('/_ping', async (_request, reply) => reply.headers(pingHeaders).send('OK'))

  app.get('/version', async () => toVersion(version, backend.info(), arch()))

  app.get('/info', async (request) =>
    toSystemInfo({
      info: backend.info(),
      version,
      apiVersion: request.apiVersion,
      architecture: arch(),
      containers: backend.containers.list(),
      images: backend.images.list().length,
      drivers: backend.drivers.list(),
      cluster: backend.hosts.status(),
      now: new Date(),
    }),
  )

  app.get<{ Querystring: Query }>('/events', async (request, reply) => {
    const filters = parseFilters(request.query, eventFilters)
    const span = { since: timeParameter(request.query, 'since') * 1000, until: untilOf(request.query) }
    return sendStream(reply, 'application/json', eventStream(backend, filters, span))
  })

  app.get<{ Querystring: Query }>('/system/df', async (request) =>
    diskUsage(backend, request.query, request.apiVersion),
  )
}

/** Milliseconds since the epoch; null to go on for ever. Throws kind 'invalid' when it lies before `since`. */
function untilOf(query: Query): number | null {
  const since = timeParameter(query, 'since')
  const until = timeParameter(query, 'until')
  if (until === 0) return null
  if (until >= since) return until * 1000
  throw new TsnetError(
    'invalid',
    'bad-parameter',
    `\`since\` time (${textParameter(query, 'since')}) cannot be after \`until\` time (${textParameter(query, 'until')})`,
  )
}

/** The furthest that setTimeout can look. */
const longestTimer = 2 ** 31 - 1
/** A reader this far behind is given up. */
const mostUnread = 4 * 1024 * 1024

/** Milliseconds since the epoch: 0 for no beginning, null for no end. */
interface Span {
  readonly since: number
  readonly until: number | null
}

/** What happens within a time, line by line: who asks for none hears of what happens from now on. */
function eventStream(backend: SystemBackend, filters: Filters, { since, until }: Span): PassThrough {
  const stream = new PassThrough()
  const isWanted = (event: EngineEvent): boolean => {
    const time = Number(event.time / 1000n) / 1000
    return time >= since && (until === null || time <= until) && matchesEvent(event, filters)
  }
  const past = since === 0 && until === null ? [] : backend.pastEvents().filter(isWanted)
  for (const event of past) stream.write(formatEvent(event))
  const unsubscribe = backend.subscribe((event: EngineEvent) => {
    if (!matchesEvent(event, filters)) return
    stream.write(formatEvent(event))
    if (stream.writableLength > mostUnread) stream.destroy()
  })
  const remaining = until === null ? longestTimer : Math.max(0, until - Date.now())
  const timer = until === null ? undefined : setTimeout(() => stream.end(), Math.min(remaining, longestTimer))
  stream.on('close', () => {
    clearTimeout(timer)
    unsubscribe()
  })
  return stream
}

const objectTypes = ['container', 'image', 'volume', 'build-cache'] as const

async function diskUsage(
  backend: SystemBackend,
  query: Query,
  apiVersion: number,
): Promise<Partial<DiskUsage>> {
  const asked = apiVersion < 42 ? [] : listParameter(query, 'type')
  for (const type of asked) {
    if (!objectTypes.some((known) => known === type)) {
      throw new TsnetError('invalid', 'bad-parameter', `unknown object type: ${type}`)
    }
  }
  const wants = (type: (typeof objectTypes)[number]): boolean => asked.length === 0 || asked.includes(type)
  return {
    ...(wants('image') && imageUsage(backend, apiVersion)),
    ...(wants('container') && { Containers: containerUsage(backend) }),
    ...(wants('volume') && { Volumes: await volumeUsage(backend) }),
    ...(wants('build-cache') && { BuildCache: [] }),
  }
}

/** The sum counts a layer once for each image that has it. */
function imageUsage({ images, containers }: SystemBackend, apiVersion: number) {
  const users = Map.groupBy(containers.list(), ({ image }) => image)
  const list = images.list()
  return {
    LayersSize: list.reduce((sum, { size }) => sum + size, 0),
    Images: list.map((image) => toImageSummary(image, apiVersion, users.get(image.id)?.length ?? 0)),
  }
}

function containerUsage({ containers, images }: SystemBackend) {
  const byTag = new Map(images.list().flatMap((image) => image.tags.map((tag) => [tag, image.id] as const)))
  return summarize(containers.list(), (ref) => byTag.get(ref) ?? byTag.get(`${ref}:latest`))
}

async function volumeUsage({ volumes }: SystemBackend) {
  const sizes = await volumes.sizes()
  const users = volumes.users()
  return volumes.list().map((volume) => ({
    ...toVolume(volume),
    UsageData: { Size: sizes.get(volume.name) ?? -1, RefCount: users.get(volume.name)?.length ?? 0 },
  }))
}
