/** One plugin's socket: Docker's plugin protocol, HTTP with a JSON object each way, whatever goes wrong told in the answer. */
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { errorMessage, TsnetError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Verbs } from './parts.ts'

/** By the kind of driver, e.g. `NetworkDriver`. */
export type Kinds = Readonly<Record<string, Verbs>>

/** bytes; nothing that the protocol says comes near it */
const largestQuestion = 4 << 20

const mediaType = 'application/vnd.docker.plugins.v1.2+json'

export class PluginServer {
  readonly #kinds: Kinds
  readonly #log: Logger
  readonly #server: Server

  private constructor(kinds: Kinds, log: Logger) {
    this.#kinds = kinds
    this.#log = log
    this.#server = createServer((request, response) => void this.#serve(request, response))
  }

  /** Listens at `socket`, for root alone. Throws kind 'conflict' when another program listens there. */
  static async listen(socket: string, kinds: Kinds, log: Logger): Promise<PluginServer> {
    const server = new PluginServer(kinds, log)
    mkdirSync(dirname(socket), { recursive: true })
    if (existsSync(socket)) {
      if (await answers(socket)) {
        throw new TsnetError(
          'conflict',
          'address-in-use',
          `${socket} is in use: another plugin listens there; stop it, or give another --name`,
        )
      }
      rmSync(socket)
    }
    await server.#bind(socket)
    return server
  }

  /** The socket is never open to others than its owner: bind(2) makes it under a umask. Node binds within the call. */
  #bind(socket: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#server.once('error', reject)
    const umask = process.umask(0o077)
    try {
      this.#server.listen(socket, resolve)
    } finally {
      process.umask(umask)
    }
    return promise
  }

  /** The socket goes too. */
  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    this.#server.closeAllConnections()
    await promise
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = (request.url ?? '').slice(1)
    const answer = await this.#answer(method, request).catch((error: unknown) => this.#refuse(method, error))
    if (response.destroyed) return
    response.writeHead(200, { 'Content-Type': mediaType })
    response.end(JSON.stringify(answer))
  }

  async #answer(method: string, request: IncomingMessage): Promise<object> {
    const body = parse(await read(request))
    if (method === 'Plugin.Activate') return { Implements: Object.keys(this.#kinds) }
    const [kind = '', name = ''] = method.split('.')
    const verbs = this.#kinds[kind]
    const verb = verbs !== undefined && Object.hasOwn(verbs, name) ? verbs[name] : undefined
    if (verb === undefined)
      throw new TsnetError('not-found', 'bad-call', `${method} is no call of this plugin`)
    return verb(body)
  }

  /** Address managers have another field for it. */
  #refuse(method: string, error: unknown): object {
    const message = errorMessage(error)
    if (error instanceof TsnetError)
      this.#log.info({ call: method, why: message }, 'another engine was refused')
    else this.#log.error({ call: method, err: error }, "another engine's call failed")
    return method.startsWith('IpamDriver.') ? { Error: message } : { Err: message }
  }
}

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > largestQuestion)
      throw new TsnetError('invalid', 'bad-call', `the body is larger than ${largestQuestion} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** Some calls say nothing at all. */
function parse(text: string): Record<string, unknown> {
  if (text.trim() === '') return {}
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {}
  if (value === null) return {}
  if (typeof value === 'object' && !Array.isArray(value)) return value as Record<string, unknown>
  throw new TsnetError('invalid', 'bad-call', 'the body is no JSON object')
}

function answers(socket: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const client = connect(socket)
  client.on('connect', () => resolve(true))
  client.on('error', () => resolve(false))
  return promise.finally(() => client.destroy())
}
