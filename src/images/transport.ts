/** HTTP as registries need it: redirects, the machine's own certificates and proxies, deadlines, Docker's words for failures. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { getCACertificates } from 'node:tls'
import { TsnetError } from '../errors.ts'

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal: AbortSignal
}

/** A failure to talk at all, as opposed to an answer that says no. Trying again may help when `isBroken`. */
export class TransportError extends TsnetError {
  /** The connection stood and broke. */
  readonly isBroken: boolean
  /** The other side does not speak the scheme's protocol. */
  readonly isOtherProtocol: boolean

  constructor(message: string, cause: unknown) {
    super('unavailable', 'registry-unreachable', message, { cause })
    const code = errorCode(cause)
    this.isBroken = /^(?:ECONNRESET|EPIPE|ETIMEDOUT|ERR_STREAM_PREMATURE_CLOSE|EAI_AGAIN)$/.test(code)
    this.isOtherProtocol = code.startsWith('HPE_') || code === 'ECONNRESET'
  }
}

const mostRedirects = 10
/** milliseconds without a byte in either direction */
const idleTimeout = 30_000

/** A loopback registry is trusted as it is, never reached through a proxy, and may speak plain HTTP. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '')
  return name === 'localhost' || name === '::1' || /^127\.\d+\.\d+\.\d+$/.test(name)
}

const loopbackAgents = { http: new HttpAgent(), https: new HttpsAgent({ rejectUnauthorized: false }) }
let agents: { http: HttpAgent; https: HttpsAgent } | null = null

/** Made on first use: reading the machine's certificates takes some milliseconds. */
function remoteAgents(): { http: HttpAgent; https: HttpsAgent } {
  agents ??= {
    http: new HttpAgent({ proxyEnv: process.env }),
    https: new HttpsAgent({
      proxyEnv: process.env,
      ca: [...getCACertificates('default'), ...getCACertificates('system')],
    }),
  }
  return agents
}

/** Sends a request and follows redirects. The answer's body is not read yet. Throws TransportError. */
export async function send(request: HttpRequest): Promise<IncomingMessage> {
  let { url, headers } = request
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    const response = await sendOnce({ ...request, url, headers })
    const location = response.headers.location
    if (![301, 302, 303, 307, 308].includes(response.statusCode ?? 0) || location === undefined)
      return response
    response.resume()
    const target = new URL(location, url)
    if (!/^https?:$/.test(target.protocol)) break
    // Credentials are for the registry, not for the store to which it sends us.
    if (target.host !== url.host) headers = withoutAuthorization(headers)
    url = target
  }
  throw new TransportError(`${quote(request)}: stopped after ${mostRedirects} redirects`, undefined)
}

function withoutAuthorization(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'authorization'),
  )
}

function sendOnce(request: HttpRequest): Promise<IncomingMessage> {
  const { url, method, headers, body, signal } = request
  const chosen = isLoopback(url.hostname) ? loopbackAgents : remoteAgents()
  const isPlain = url.protocol === 'http:'
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const options = {
    method,
    headers: { 'user-agent': 'tsnet', ...headers },
    agent: isPlain ? chosen.http : chosen.https,
    signal,
    timeout: idleTimeout,
  }
  const call = (isPlain ? httpRequest : httpsRequest)(url, options, resolve)
  call.on('timeout', () => call.destroy(Object.assign(new Error('i/o timeout'), { code: 'ETIMEDOUT' })))
  call.on('error', (error) => reject(signal.aborted ? signal.reason : transportError(request, error)))
  call.end(body)
  return promise
}

/** The whole body, of at most `limit` bytes. */
export async function readBody(response: IncomingMessage, limit: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length
    if (length > limit) {
      throw new TsnetError('invalid', 'registry-answer', `registry answer is longer than ${limit} bytes`)
    }
    parts.push(part)
  }
  return Buffer.concat(parts)
}

function errorCode(error: unknown): string {
  return String((error as NodeJS.ErrnoException | undefined)?.code ?? '')
}

function quote({ method, url }: HttpRequest): string {
  return `${method.charAt(0)}${method.slice(1).toLowerCase()} "${url.href}"`
}

/** Says what failed in the words of Docker, which users and scripts know. */
export function transportError(request: HttpRequest, error: unknown): TransportError {
  const first: unknown = error instanceof AggregateError ? (error.errors[0] ?? error) : error
  const { address, port, message } = first as { address?: string; port?: number; message: string }
  const host = address?.includes(':') ? `[${address}]` : (address ?? request.url.hostname)
  const dial = `dial tcp ${host}:${port ?? (request.url.port || '443')}`
  const reasons: Readonly<Record<string, string>> = {
    ECONNREFUSED: `${dial}: connect: connection refused`,
    ENETUNREACH: `${dial}: connect: network is unreachable`,
    EHOSTUNREACH: `${dial}: connect: no route to host`,
    ETIMEDOUT: `${dial}: i/o timeout`,
    ENOTFOUND: `dial tcp: lookup ${request.url.hostname}: no such host`,
    EAI_AGAIN: `dial tcp: lookup ${request.url.hostname}: temporary failure in name resolution`,
    ECONNRESET: `${dial}: connection reset by peer`,
  }
  return new TransportError(`${quote(request)}: ${reasons[errorCode(first)] ?? message}`, first)
}
