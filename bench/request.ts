import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'

/** One kept connection per socket, as a client library keeps it; given up before the engine does so. */
const agent = new Agent({ keepAlive: true, timeout: 4000 })

export interface Answer {
  readonly status: number
  readonly text: string
  readonly json: () => Record<string, unknown>
}

/** Sends a request to an engine's socket. Throws on a status of 300 and more, except 304. */
export async function send(
  socketPath: string,
  method: string,
  path: string,
  body?: object | Buffer,
): Promise<Answer> {
  const payload = body === undefined || Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body))
  const type = Buffer.isBuffer(body) ? 'application/x-tar' : 'application/json'
  const headers = payload === undefined ? {} : { 'content-type': type, 'content-length': payload.length }
  const outgoing = request({ socketPath, method, path: `/v1.41${path}`, agent, headers, timeout: 60_000 })
  outgoing.on('timeout', () => outgoing.destroy(new Error(`${method} ${path}: no answer within 60 s`)))
  outgoing.end(payload)
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  const answer = await text(incoming)
  const status = incoming.statusCode ?? 0
  if (status >= 300 && status !== 304) throw new Error(`${method} ${path}: ${status} ${answer.trim()}`)
  return { status, text: answer, json: () => JSON.parse(answer) }
}

/** The milliseconds of an async piece of work. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}
