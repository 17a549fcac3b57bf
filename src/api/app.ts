/** The Fastify instance that all routes live in: versions, bodies, errors. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import {
  errorCodes,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
} from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { TsnetError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { answerTo } from './errors.ts'
import { formatVersion, newestVersion, requestedVersion, stripVersion } from './version.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The x of the 1.x that the client speaks. */
    apiVersion: number
  }
}

export type App = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>

/** Bounds a JSON body: 65535 published ports fit. */
const jsonBodyLimit = 16 * 1024 * 1024

export function createApp(log: Logger, version: string): App {
  const app = fastify({
    logger: false,
    bodyLimit: jsonBodyLimit,
    exposeHeadRoutes: false,
    rewriteUrl: stripVersion,
    // Image references are longer than the router's default of 100 characters.
    routerOptions: { maxParamLength: 1024 },
    // Their types are those of Ajv.
    schemaController: { compilersFactory: compilers as never },
  }).withTypeProvider<TypeBoxTypeProvider>()
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, parseJson)
  app.addContentTypeParser('*', { parseAs: 'string' }, refuseOtherBodies)
  app.decorateRequest('apiVersion', newestVersion)
  app.addHook('onRequest', versionHook(version))
  app.addHook('onSend', plainJsonType)
  if (log.isLevelEnabled('debug')) app.addHook('onResponse', requestLogger(log))
  app.setErrorHandler(errorHandler(log))
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ message: 'page not found' }))
  return app
}

/**
 * With both compilers given, Fastify does not load its own ones, which would take memory that nothing here needs:
 * bodies are checked by TypeBox's compiler, answers are made by JSON.stringify.
 */
const compilers = {
  buildValidator:
    () =>
    ({ schema }: { schema: unknown }) =>
      compileValidator(schema as TSchema),
  buildSerializer: () => () => (answer: unknown) => JSON.stringify(answer),
}

/** Compiled once a route. An absent body counts as an empty one, as in Docker. */
function compileValidator(schema: TSchema) {
  const validator = Compile(schema)
  return (value: unknown) => {
    const body = value ?? {}
    if (validator.Check(body)) return { value: body }
    const { instancePath = '', message = 'is wrong' } = validator.Errors(body)[0] ?? {}
    const field = instancePath.slice(1).replaceAll('/', '.') || 'the body'
    return { error: new TsnetError('invalid', 'bad-json', `invalid JSON: ${field} ${message}`) }
  }
}

function parseJson(
  _request: FastifyRequest,
  body: string,
  done: (error: Error | null, value?: unknown) => void,
): void {
  try {
    done(null, body.trim() === '' ? {} : JSON.parse(body))
  } catch (error) {
    done(error as SyntaxError)
  }
}

/** Older docker clients call an empty body text/plain: where there is nothing to read, its type does not matter. */
function refuseOtherBodies(
  request: FastifyRequest,
  body: string,
  done: (error: Error | null, value?: unknown) => void,
): void {
  if (body === '') done(null, {})
  else done(new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE(request.headers['content-type'] ?? 'none'))
}

function versionHook(version: string) {
  const server = `tsnet/${version} (linux)`
  return (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void => {
    reply.header('server', server)
    reply.header('api-version', formatVersion(newestVersion))
    reply.header('ostype', 'linux')
    reply.header('docker-experimental', 'false')
    try {
      // An unknown page is unknown in every version.
      if (!request.is404) request.apiVersion = requestedVersion(request.raw)
      done()
    } catch (error) {
      done(error as Error)
    }
  }
}

/** Docker's clients compare the type to the letter: with a charset they would show an error's JSON instead of its text. */
function plainJsonType(
  _request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
  done: (error: null, payload: unknown) => void,
): void {
  if (String(reply.getHeader('content-type')).startsWith('application/json')) {
    reply.header('content-type', 'application/json')
  }
  done(null, payload)
}

function requestLogger(log: Logger) {
  return (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    const { method, url } = request
    log.debug({ method, url, status: reply.statusCode, milliseconds: reply.elapsedTime }, 'request')
    done()
  }
}

function errorHandler(log: Logger) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const { status, message } = answerTo(error)
    if (status === 500) log.error({ method: request.method, url: request.url, err: error }, message)
    reply.code(status)
    return status === 304 ? reply.send() : reply.send({ message })
  }
}

/** In `scope` a body of any type is handed to the route as the stream that it is. */
export function takeStreams(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', (_request, payload: Readable, done) => done(null, payload))
}
