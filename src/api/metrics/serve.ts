/** Where Prometheus reads: plain HTTP for whoever can reach it, as dockerd's --metrics-addr. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { errorMessage, TsnetError } from '../../errors.ts'
import type { Logger } from '../../log.ts'
import type { Metrics } from './metrics.ts'

export interface MetricsServer extends AsyncDisposable {
  /** `http://127.0.0.1:9323/metrics`, with the port that was taken. */
  readonly url: string
  /** What is served from now on; before, the answer is that the daemon starts. */
  offer(metrics: Metrics): void
}

export interface MetricsAddress {
  /** '' for every address of the host */
  readonly host: string
  /** 0 takes a free one */
  readonly port: number
}

/** Throws kind 'conflict' for an address that another program has, 'invalid' for one that the host has not. */
export async function serveMetrics({ host, port }: MetricsAddress, log: Logger): Promise<MetricsServer> {
  let offered: Metrics | null = null
  const server = createServer((request, response) => void answer(request, response, offered, log))
  try {
    server.listen({ port, ...(host !== '' && { host }) })
    await once(server, 'listening')
  } catch (error) {
    throw refusal(`${bracketed(host)}:${port}`, error as NodeJS.ErrnoException)
  }
  const taken = (server.address() as AddressInfo).port
  return {
    url: `http://${bracketed(host) || 'localhost'}:${taken}/metrics`,
    offer(metrics) {
      offered = metrics
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
      offered?.[Symbol.dispose]()
    },
  }
}

async function answer(
  { url = '' }: IncomingMessage,
  response: ServerResponse,
  metrics: Metrics | null,
  log: Logger,
): Promise<void> {
  const plain = 'text/plain; charset=utf-8'
  if (url.replace(/\?.*/, '') !== '/metrics') {
    response.writeHead(404, { 'content-type': plain }).end('404 page not found\n')
    return
  }
  if (metrics === null) {
    response.writeHead(503, { 'content-type': plain }).end('the daemon is starting\n')
    return
  }
  try {
    const text = await metrics.text()
    response.writeHead(200, { 'content-type': metrics.contentType }).end(text)
  } catch (error) {
    log.error({ err: error }, 'metrics could not be read')
    response.writeHead(500, { 'content-type': plain }).end(`${errorMessage(error)}\n`)
  }
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function refusal(address: string, { code, message }: NodeJS.ErrnoException): TsnetError {
  if (code === 'EADDRINUSE') {
    return new TsnetError(
      'conflict',
      'metrics-address',
      `--metrics-addr ${address} is in use: another program listens there; stop it, or give another port`,
    )
  }
  return new TsnetError(
    'invalid',
    'metrics-address',
    `--metrics-addr ${address} cannot be listened at (${code ?? message}): give an address of this host`,
  )
}
