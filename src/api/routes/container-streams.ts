/** Containers: what is a stream, or waits. */
import type { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { AttachOptions, Containers, LogOptions } from '../../engine/engine.ts'
import { errorMessage, TsnetError } from '../../errors.ts'
import { type App, takeStreams } from '../app.ts'
import { flagParameter, type Query, sizeParameter, textParameter, timeParameter } from '../query.ts'
import type { ContainerWaited } from '../schema/container.ts'
import { clientSignal, sendDuplex, sendStream, streamType, writeHead } from '../stream.ts'

export interface ContainerStreamsBackend {
  readonly containers: Pick<Containers, 'get' | 'attach' | 'logs' | 'wait' | 'resize'>
}

interface Named {
  Params: { name: string }
  Querystring: Query
}

export function containerStreamRoutes(app: App, { containers }: ContainerStreamsBackend): void {
  app.register(async (scope) => {
    takeStreams(scope)
    // Some clients send the options once more as a JSON body, which is no input.
    scope.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, _body, done) =>
      done(null),
    )
    scope.post<Named & { Body: Readable | undefined }>('/containers/:name/attach', async (request, reply) => {
      const { tty } = containers.get(request.params.name).spec
      const stream = await containers.attach(request.params.name, attachOptions(request.query))
      return sendDuplex(request, reply, stream, { tty, input: request.body })
    })
  })

  app.get<Named>('/containers/:name/logs', async (request, reply) => {
    const { name } = request.params
    const options = logOptions(request.query)
    const { tty } = containers.get(name).spec
    const stream = await containers.logs(name, options, clientSignal(reply))
    return sendStream(reply, streamType(tty, request.apiVersion), stream)
  })

  app.post<Named>('/containers/:name/resize', async (request, reply) => {
    const { params, query } = request
    await containers.resize(params.name, sizeParameter(query, 'h'), sizeParameter(query, 'w'))
    return reply.code(200).send()
  })

  app.post<Named>('/containers/:name/wait', async (request, reply) => {
    const { query, apiVersion } = request
    const condition = apiVersion < 30 ? 'not-running' : waitCondition(textParameter(query, 'condition'))
    const signal = clientSignal(reply)
    const waiting = containers.wait(request.params.name, condition, signal)
    // Before 1.30 clients took the status for the end of the wait.
    if (apiVersion < 30) return toWaited(await waiting)
    return answerLater(reply, waiting, signal)
  })
}

function attachOptions(query: Query): AttachOptions {
  const on = (name: string): boolean => flagParameter(query, name)
  return {
    stdin: on('stdin'),
    stdout: on('stdout'),
    stderr: on('stderr'),
    stream: on('stream'),
    logs: on('logs'),
    detachKeys: textParameter(query, 'detachKeys'),
  }
}

function logOptions(query: Query): LogOptions {
  const stdout = flagParameter(query, 'stdout')
  const stderr = flagParameter(query, 'stderr')
  if (!stdout && !stderr) {
    throw new TsnetError('invalid', 'no-stream', 'Bad parameters: you must choose at least one stream')
  }
  return {
    stdout,
    stderr,
    follow: flagParameter(query, 'follow'),
    timestamps: flagParameter(query, 'timestamps'),
    since: timeParameter(query, 'since'),
    until: timeParameter(query, 'until'),
    tail: tailLines(textParameter(query, 'tail')),
  }
}

/** Whatever is no number means all, as in Docker. */
function tailLines(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : -1
}

const conditions = ['not-running', 'next-exit', 'removed'] as const

function waitCondition(text: string): (typeof conditions)[number] {
  const condition = conditions.find((known) => known === (text || 'not-running'))
  if (condition !== undefined) return condition
  throw new TsnetError('invalid', 'bad-parameter', `invalid condition: "${text}"`)
}

function toWaited({ exitCode, error }: { exitCode: number; error: string }): ContainerWaited {
  return { StatusCode: exitCode, ...(error !== '' && { Error: { Message: error } }) }
}

/** The headers go out before the wait is over: by them a client knows that nothing will be missed from now on. */
async function answerLater(
  reply: FastifyReply,
  waiting: Promise<{ exitCode: number; error: string }>,
  signal: AbortSignal,
): Promise<FastifyReply> {
  reply.hijack()
  writeHead(reply, 'application/json')
  try {
    reply.raw.end(`${JSON.stringify(toWaited(await waiting))}\n`)
  } catch (error) {
    if (signal.aborted) return reply
    reply.raw.end(`${JSON.stringify(toWaited({ exitCode: -1, error: errorMessage(error) }))}\n`)
  }
  return reply
}
