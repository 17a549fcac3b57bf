/**
 * HTTP to the daemon. Paths carry no API version: the daemon then speaks its newest one, and no round trip is spent on
 * asking for it.
 */
import { readFileSync } from 'node:fs'
import {
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http'
import type { Duplex, Readable } from 'node:stream'
import { type ErrorKind, TsnetError } from '../errors.ts'
import type { Host } from './host.ts'

/** `undefined`, '', false and what is empty are left out, true is 1, a list is repeated, a record becomes JSON. */
export type Query = Readonly<
  Record<string, string | number | boolean | readonly string[] | object | undefined>
>

/** What goes with a request besides its path. */
export interface Options {
  readonly query?: Query
  /** sent as JSON, or as it comes when it is a stream */
  readonly body?: object | Readable
  readonly headers?: Readonly<Record<string, string>>
}

/** The daemon as commands see it. Every method throws kind 'unavailable' when it cannot be reached. */
export interface Client {
  readonly host: Host
  /** The answer's JSON; undefined when there is none. Throws TsnetError with the daemon's message. */
  call<T>(method: string, path: string, options?: Options): Promise<T>
  /** The answer's body while it comes. */
  stream(method: string, path: string, options?: Options): Promise<IncomingMessage>
  /** The connection itself, both ways, after the daemon has switched protocols. */
  hijack(path: string, options?: Options): Promise<Duplex>
}

/** `unreachable` may start a daemon and return true to try once more. */
export function createClient(
  host: Host,
  unreachable: (error: NodeJS.ErrnoException) => Promise<boolean>,
): Client {
  const send = async (
    method: string,
    path: string,
    options: Options,
    extra: Record<string, string> = {},
  ): Promise<Exchange> => {
    // A stream can be sent only once: whoever needs a daemon started for it needs it before.
    if (isStream(options.body)) (await send('GET', '/_ping', {})).answer.resume()
    const attempt = () => exchange(host, method, path, options, extra)
    try {
      return await attempt()
    } catch (error) {
      if (!isUnreachable(error)) throw error
      if (await unreachable(error)) return await attempt()
      throw new TsnetError('unavailable', 'daemon', describeUnreachable(host, error), { cause: error })
    }
  }
  return {
    host,
    async call<T>(method: string, path: string, options: Options = {}) {
      const { answer } = await send(method, path, options)
      const body = await readAll(answer)
      return (body.length > 0 ? JSON.parse(body) : undefined) as T
    },
    async stream(method, path, options = {}) {
      return (await send(method, path, options)).answer
    },
    async hijack(path, options = {}) {
      const { answer, socket } = await send('POST', path, options, { Connection: 'Upgrade', Upgrade: 'tcp' })
      if (socket) return socket
      throw new TsnetError('internal', 'hijack', `unable to upgrade to tcp, received ${answer.statusCode}`)
    },
  }
}

interface Exchange {
  readonly answer: IncomingMessage
  /** there when the daemon switched protocols */
  readonly socket?: Duplex
}

async function exchange(
  host: Host,
  method: string,
  path: string,
  options: Options,
  extra: Record<string, string>,
): Promise<Exchange> {
  const { body, query } = options
  const json = body === undefined || isStream(body) ? '' : JSON.stringify(body)
  const headers = { ...bodyHeaders(isStream(body), json), ...options.headers, ...extra }
  const request = openRequest(host, { method, path: path + formatQuery(query), headers })
  if (isStream(body)) body.on('error', (error) => request.destroy(error)).pipe(request)
  else request.end(json)
  const reply = await answerOf(request)
  if (reply.answer.statusCode! < 400) return reply
  const error = await apiError(reply.answer)
  const isUnknown = error.message.endsWith(': page not found') && path.startsWith('/tsnet/')
  throw isUnknown ? notTsnet(host, error) : error
}

/** An environment that points at dockerd is easily forgotten. */
function notTsnet({ text }: Host, cause: TsnetError): TsnetError {
  return new TsnetError(
    'unsupported',
    'not-tsnet',
    `the daemon at ${text} does not know this command: it is not tsnet's, or an older one; TSNET_HOST or -H name another`,
    { cause },
  )
}

function isStream(body: Options['body']): body is Readable {
  return body !== undefined && 'pipe' in body
}

function bodyHeaders(isStreamed: boolean, json: string): Record<string, string> {
  const always = { Host: 'docker', 'User-Agent': 'tsnet' }
  if (isStreamed) return { ...always, 'Content-Type': 'application/x-tar' }
  const length = { ...always, 'Content-Length': String(Buffer.byteLength(json)) }
  return json === '' ? length : { ...length, 'Content-Type': 'application/json' }
}

function openRequest({ connect, tls }: Host, request: RequestOptions): ClientRequest {
  // Unless told so, node:http works out a name for TLS, and compiles the pattern of all IPv6 addresses to do so: 5 ms.
  const target = { ...connect, ...request, agent: false as const, servername: '' }
  if (!tls) return httpRequest(target)
  const https = process.getBuiltinModule('node:https')
  return https.request({ ...target, ca: readPem(tls.ca), cert: readPem(tls.cert), key: readPem(tls.key) })
}

function readPem(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new TsnetError(
      'invalid',
      'tls-file',
      `${path}, which TLS needs, cannot be read: ${(cause as Error).message}`,
      {
        cause,
      },
    )
  }
}

function answerOf(request: ClientRequest): Promise<Exchange> {
  return new Promise((resolve, reject) => {
    request.on('error', reject)
    request.on('response', (answer) => resolve({ answer }))
    request.on('upgrade', (answer, socket, head) => {
      if (head.length > 0) socket.unshift(head)
      resolve({ answer, socket })
    })
  })
}

function formatQuery(query: Query = {}): string {
  const pairs = Object.entries(query).flatMap(([name, value]): [string, string][] => {
    if (value === undefined || value === '' || value === false) return []
    if (value === true) return [[name, '1']]
    if (Array.isArray(value)) return value.map((one: string) => [name, one])
    if (typeof value !== 'object') return [[name, String(value)]]
    return Object.keys(value).length === 0 ? [] : [[name, JSON.stringify(value)]]
  })
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`
}

async function readAll(stream: Readable): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

const kinds: Readonly<Record<number, ErrorKind>> = {
  400: 'invalid',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not-found',
  409: 'conflict',
  412: 'conflict',
  501: 'unsupported',
  503: 'unavailable',
}

async function apiError(answer: IncomingMessage): Promise<TsnetError> {
  const body = await readAll(answer)
  const kind = kinds[answer.statusCode!] ?? 'internal'
  return new TsnetError(
    kind,
    answer.statusCode === 412 ? 'precondition' : 'api',
    `Error response from daemon: ${messageOf(body) || `status ${answer.statusCode}`}`,
  )
}

function messageOf(body: string): string {
  try {
    const { message } = JSON.parse(body) as { message?: unknown }
    if (typeof message === 'string') return message.trim()
  } catch {
    // Not JSON: something between us and the daemon answered; its own words are the best there is.
  }
  return body.trim()
}

function isUnreachable(error: unknown): error is NodeJS.ErrnoException {
  const code = error instanceof Error && 'syscall' in error && error.syscall === 'connect' ? error : undefined
  return code !== undefined
}

function describeUnreachable(host: Host, error: NodeJS.ErrnoException): string {
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return `permission denied while trying to connect to the tsnet daemon at ${host.text}`
  }
  return `Cannot connect to the tsnet daemon at ${host.text}. Is the tsnet daemon running?`
}
