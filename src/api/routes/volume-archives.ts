/**
 * tsnet's own: volumes as archives. Both ways a transfer that broke off goes on where it was.
 *
 *   GET …/export                                  200; the archive
 *   GET …/export?offset=N&sha256=HEX              200; the rest behind its first N bytes, 412 when those are others by now
 *
 *   HEAD …/import?token=T                         200, Upload-Offset: how much is there
 *   PATCH …/import?token=T&offset=N, bytes        204, Upload-Offset
 *   POST …/import?token=T                         200, messages: the volume is made of what has come
 *   POST …/import, bytes                          both in one
 */
import { randomBytes } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { ImportedVolume, VolumeArchives, VolumeExport, VolumeImport } from '../../engine/engine.ts'
import { TsnetError } from '../../errors.ts'
import type { Labels } from '../../store/records.ts'
import { type App, takeStreams } from '../app.ts'
import { flagParameter, integerParameter, type Query, textParameter } from '../query.ts'
import type { VolumeImported } from '../schema/volume-archive.ts'
import { clientSignal, type JsonMessage, sendMessages, sendStream } from '../stream.ts'
import { toVolume } from '../wire/volume.ts'

export interface VolumeArchivesBackend {
  readonly volumeArchives: VolumeArchives
}

interface Named {
  Params: { name: string }
  Querystring: Query
  Body: Readable | undefined
}

const defaultMaxEntries = 10_000_000

export function volumeArchiveRoutes(app: App, { volumeArchives }: VolumeArchivesBackend): void {
  app.get<Named>('/tsnet/v1/volumes/:name/export', async (request, reply) => {
    const resume = parseResume(request.query)
    try {
      const signal = clientSignal(reply)
      const archive = await volumeArchives.export(request.params.name, resume, { signal })
      return sendStream(reply, 'application/zstd', archive)
    } catch (error) {
      if (!(error instanceof TsnetError) || error.code !== 'volume-changed') throw error
      return reply.code(412).send({ message: error.message })
    }
  })

  app.head<Named>('/tsnet/v1/volumes/:name/import', async (request, reply) =>
    sendOffset(reply, 200, await volumeArchives.uploaded(textParameter(request.query, 'token'))),
  )

  app.register(async (scope) => {
    takeStreams(scope)
    scope.patch<Named>('/tsnet/v1/volumes/:name/import', async ({ query, body }, reply) => {
      const offset = integerParameter(query, 'offset') ?? 0
      const token = textParameter(query, 'token')
      const size = body === undefined ? offset : await volumeArchives.receive(token, offset, body)
      return sendOffset(reply, 204, size)
    })

    scope.post<Named>('/tsnet/v1/volumes/:name/import', async (request, reply) => {
      const { name } = request.params
      const wanted = parseImport(request.query)
      const given = textParameter(request.query, 'token')
      const token = given || randomBytes(16).toString('hex')
      if (given === '' && request.body !== undefined) await volumeArchives.receive(token, 0, request.body)
      return sendMessages(reply, async (send, signal) => {
        const progress = progressSink(name, send)
        const imported = await volumeArchives.import(name, token, wanted, { signal, progress })
        send({ aux: toImported(imported) })
      })
    })
  })
}

function sendOffset(reply: FastifyReply, status: number, offset: number): FastifyReply {
  return reply.code(status).header('upload-offset', String(offset)).send()
}

/** Throws kind 'invalid' for a part without its check sum, or the other way round. */
function parseResume(query: Query): VolumeExport['resume'] {
  const offset = integerParameter(query, 'offset') ?? 0
  const sha256 = textParameter(query, 'sha256')
  if (offset === 0 && sha256 === '') return null
  if (offset > 0 && /^[0-9a-f]{64}$/.test(sha256)) return { offset, sha256 }
  throw new TsnetError(
    'invalid',
    'export-part',
    'the rest of an export is asked for by "offset", of what is there already, and "sha256", of as many bytes in hex digits',
  )
}

function parseImport(query: Query): VolumeImport {
  const labels = textParameter(query, 'labels')
  return {
    driver: textParameter(query, 'driver'),
    options: parseMap(query, 'options'),
    labels: labels === '' ? null : parseMap(query, 'labels'),
    replace: flagParameter(query, 'replace'),
    now: flagParameter(query, 'now'),
    maxSize: integerParameter(query, 'maxSize'),
    maxEntries: integerParameter(query, 'maxEntries') ?? defaultMaxEntries,
  }
}

function parseMap(query: Query, name: string): Labels {
  const text = textParameter(query, name)
  const value: unknown = text === '' ? {} : parseJson(text)
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (isMap && Object.values(value).every((one) => typeof one === 'string')) return value as Labels
  throw new TsnetError(
    'invalid',
    'bad-parameter',
    `invalid value for ${name}: a JSON object of texts is needed`,
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function progressSink(name: string, send: (message: JsonMessage) => void) {
  return (current: number, total: number): void =>
    send({ id: name, status: 'Importing', progressDetail: { current, total } })
}

function toImported({ volume, kept, isVerified, entries, bytes }: ImportedVolume): VolumeImported {
  return {
    Volume: toVolume(volume),
    Kept: kept?.name ?? null,
    Verified: isVerified,
    Entries: entries,
    Bytes: bytes,
  }
}
