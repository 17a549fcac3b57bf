/** Images. Their names hold slashes, so that the part of the path after `/images/` is taken apart from its end. */
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Engine, Images, Progress, RegistryAuth } from '../../engine/engine.ts'
import { TsnetError } from '../../errors.ts'
import { type App, takeStreams } from '../app.ts'
import { parseFilters } from '../filters.ts'
import { flagParameter, listParameter, type Query, textParameter } from '../query.ts'
import type { ImageRemoved } from '../schema/image.ts'
import { type JsonMessage, sendMessages, sendStream } from '../stream.ts'
import { imageFilters, selectImages, toImageHistory, toImageInspect, toImageSummary } from '../wire/image.ts'
import { parseRegistryAuth } from '../wire/registry-auth.ts'

export interface ImagesBackend {
  readonly images: Images
  readonly info: Engine['info']
}

interface Path {
  Params: { '*': string }
  Querystring: Query
}

export function imageRoutes(app: App, backend: ImagesBackend): void {
  const { images } = backend

  app.get<{ Querystring: Query }>('/images/json', async (request) => {
    const selected = selectImages(
      images.list(),
      imageListFilters(request.query, request.apiVersion),
      images.get,
    )
    return selected.map((image) => toImageSummary(image, request.apiVersion))
  })

  app.get<{ Querystring: Query }>('/images/get', async (request, reply) =>
    sendStream(reply, 'application/x-tar', await images.save(listParameter(request.query, 'names'))),
  )

  app.get<Path>('/images/*', async (request, reply) => {
    const [name, what] = splitPath(request.params['*'])
    if (what === 'get') return sendStream(reply, 'application/x-tar', await images.save([name]))
    if (what !== 'json' && what !== 'history') return reply.callNotFound()
    const image = images.get(name)
    const document = await images.config(image.id)
    if (what === 'history') return toImageHistory(image, document)
    return toImageInspect(image, document, {
      apiVersion: request.apiVersion,
      dataRoot: backend.info().dataRoot,
    })
  })

  app.post<Path>('/images/*', async (request, reply) => {
    const [name, what] = splitPath(request.params['*'])
    if (what === 'push')
      throw new TsnetError('unsupported', 'no-push', 'pushing images is not supported: save and copy them')
    if (what !== 'tag') return reply.callNotFound()
    await images.tag(
      name,
      joinReference(textParameter(request.query, 'repo'), textParameter(request.query, 'tag')),
    )
    return reply.code(201).send()
  })

  app.delete<Path>('/images/*', async (request): Promise<ImageRemoved[]> => {
    const { query } = request
    const removed = await images.remove(request.params['*'], {
      force: flagParameter(query, 'force'),
      prune: !flagParameter(query, 'noprune'),
    })
    return removed.map(({ untagged, deleted }) =>
      untagged === undefined ? { Deleted: deleted ?? '' } : { Untagged: untagged },
    )
  })

  app.register(async (scope) => {
    takeStreams(scope)
    scope.post<{ Querystring: Query; Body: Readable | undefined }>(
      '/images/create',
      async (request, reply) =>
        textParameter(request.query, 'fromImage') === ''
          ? importImage(images, request, reply)
          : pullImage(images, request, reply),
    )
    scope.post<{ Querystring: Query; Body: Readable | undefined }>('/images/load', async (request, reply) =>
      sendMessages(reply, async (send) => {
        const progress = flagParameter(request.query, 'quiet') ? () => {} : progressSink(send)
        const loaded = await images.load(request.body ?? Readable.from([]), progress)
        for (const ref of loaded)
          send({ stream: `Loaded image${ref.startsWith('sha256:') ? ' ID' : ''}: ${ref}\n` })
      }),
    )
  })
}

/** Before 1.41 a filter on the name was a parameter of its own. */
function imageListFilters(query: Query, apiVersion: number) {
  const filters = parseFilters(query, imageFilters)
  const name = apiVersion < 41 ? textParameter(query, 'filter') : ''
  return name === '' ? filters : new Map([...filters, ['reference', [name]]])
}

/** `a/b:1/json` is the name `a/b:1` and the word `json`. */
function splitPath(path: string): [name: string, what: string] {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? [path, ''] : [path.slice(0, slash), path.slice(slash + 1)]
}

/** The tag may be a digest; without one the reference is as it is. */
function joinReference(name: string, tag: string): string {
  if (tag === '') return name
  return tag.includes(':') ? `${name}@${tag}` : `${name}:${tag}`
}

type Request<Body = unknown> = FastifyRequest<{ Querystring: Query; Body: Body }>

function pullImage(
  images: Pick<Images, 'pull'>,
  request: Request,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { query, headers } = request
  // "pull -a" of old clients leaves a colon behind the name.
  const name = textParameter(query, 'fromImage').replace(/:$/, '')
  const ref = joinReference(name, textParameter(query, 'tag'))
  const platform = request.apiVersion >= 32 ? textParameter(query, 'platform') : ''
  const auth: RegistryAuth | null = parseRegistryAuth(headers['x-registry-auth'])
  return sendMessages(reply, (send, signal) =>
    images.pull(ref, { platform, auth, signal }, progressSink(send)),
  )
}

function importImage(
  images: Pick<Images, 'import'>,
  request: Request<Readable | undefined>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { query } = request
  const source = textParameter(query, 'fromSrc')
  if (source !== '-') {
    throw new TsnetError(
      'unsupported',
      'no-remote-import',
      `importing from '${source}' is not supported: fetch it, and send it as the body with fromSrc=-`,
    )
  }
  const options = {
    ref: joinReference(textParameter(query, 'repo'), textParameter(query, 'tag')),
    message: textParameter(query, 'message') || `Imported from ${source}`,
    changes: listParameter(query, 'changes'),
    platform: textParameter(query, 'platform'),
  }
  return sendMessages(reply, async (send) => {
    const id = await images.import(request.body ?? Readable.from([]), options)
    send({ status: id })
  })
}

/** Docker's messages of a progress: for the whole only a status, for a layer its bytes too. */
function progressSink(send: (message: JsonMessage) => void): (progress: Progress) => void {
  return ({ id, status, current, total }) => {
    if (id === '') return send({ status })
    const isCounted = current > 0 || total > 0
    send({ status, progressDetail: isCounted ? { current, total } : {}, id })
  }
}
