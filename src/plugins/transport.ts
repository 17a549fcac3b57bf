/** One call of a plugin over HTTP, on a connection of its own: plugins come and go, and their sockets with them. */
import { type IncomingMessage, request as openPlain, type RequestOptions } from 'node:http'
import { request as openSecure } from 'node:https'
import type { PluginAddress } from './locate.ts'

export interface Answer {
  readonly status: number
  readonly body: string
}

/** bytes; nothing that the protocol asks for comes near it */
const largestAnswer = 4 << 20

const mediaType = 'application/vnd.docker.plugins.v1.2+json'

/** Thrown for an answer that is too large to be one. */
export class AnswerTooLarge extends Error {
  override readonly message = `the answer is larger than ${largestAnswer} bytes`
}

/** Rejects with what the socket says, or with AnswerTooLarge. */
export function post(
  address: PluginAddress,
  method: string,
  body: string,
  signal: AbortSignal,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options: RequestOptions = {
      method: 'POST',
      path: `/${method}`,
      headers: { Accept: mediaType, 'Content-Type': mediaType, 'Content-Length': Buffer.byteLength(body) },
      agent: false,
      signal,
    }
    const request = open(address, options, (response) => {
      collect(response).then(
        (text) => resolve({ status: response.statusCode ?? 0, body: text }),
        (error: unknown) => reject(error as Error),
      )
    })
    request.on('error', reject)
    request.end(body)
  })
}

function open(
  address: PluginAddress,
  options: RequestOptions,
  answered: (response: IncomingMessage) => void,
): ReturnType<typeof openPlain> {
  if (address.kind === 'unix')
    return openPlain({ ...options, socketPath: address.socketPath, host: 'plugin' }, answered)
  const { host, port, tls } = address
  if (tls === null) return openPlain({ ...options, host, port }, answered)
  return openSecure({ ...options, host, port, ...tls }, answered)
}

async function collect(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > largestAnswer) throw new AnswerTooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
