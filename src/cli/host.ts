/** Where the daemon listens. */
import { TsnetError } from '../errors.ts'

export const defaultHost = 'unix:///run/tsnet/tsnet.sock'

/** As given by the user, and as node:http wants it. */
export interface Host {
  readonly text: string
  readonly connect: { readonly socketPath: string } | { readonly host: string; readonly port: number }
}

type Environment = Readonly<Record<string, string | undefined>>

/** `-H`, then TSNET_HOST, then DOCKER_HOST, then the default socket. */
export function chooseHost(flag: string, environment: Environment): Host {
  return parseHost(flag || environment['TSNET_HOST'] || environment['DOCKER_HOST'] || defaultHost)
}

/** Reads `unix:///path`, `tcp://host[:port]`, `host:port` or `[v6]:port`. The port is 2375 unless given. */
export function parseHost(given: string): Host {
  const text = given.trim()
  if (text.startsWith('unix://')) {
    const path = text.slice('unix://'.length)
    return { text, connect: { socketPath: path === '' ? '/run/tsnet/tsnet.sock' : path } }
  }
  const scheme = /^([a-z]+):\/\//.exec(text)
  if (scheme && scheme[1] !== 'tcp') throw badHost(given)
  const address = scheme ? text.slice('tcp://'.length) : text
  const parts = /^(\[[0-9a-fA-F:.%]+\]|[^:/[\]]*)(?::(\d*))?\/?$/.exec(address)
  if (!parts) throw badHost(given)
  const host = parts[1]!.replace(/^\[|\]$/g, '') || '127.0.0.1'
  const port = Number(parts[2] || 2375)
  if (port > 65535) throw badHost(given)
  return { text: scheme ? text : `tcp://${text}`, connect: { host, port } }
}

function badHost(given: string): TsnetError {
  return new TsnetError(
    'invalid',
    'host',
    `invalid bind address format: ${given} (give unix:///path/to.sock or tcp://host:port)`,
  )
}
