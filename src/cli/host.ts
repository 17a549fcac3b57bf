/** Where the daemon listens. */
import { join } from 'node:path'
import { TsnetError } from '../errors.ts'

/** Where a daemon listens that was started without flags; only there is one started when it is missing. */
export const defaultHost = 'unix:///run/tsnet/tsnet.sock'

/** As given by the user, and as node:http wants it. */
export interface Host {
  readonly text: string
  readonly connect: { readonly socketPath: string } | { readonly host: string; readonly port: number }
  /** there when the connection is by TLS; paths of PEM files */
  readonly tls?: TlsFiles
}

/** Authority, certificate and key of mutual TLS. */
export interface TlsFiles {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

/** The flags that have to do with where the daemon is, as given. */
export interface HostFlags {
  readonly host: string
  readonly tlsverify: boolean
  readonly tlscacert: string
  readonly tlscert: string
  readonly tlskey: string
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * `-H`, then TSNET_HOST, then DOCKER_HOST, then the default socket. A tcp host is spoken to by TLS when a flag of it is given
 * or DOCKER_TLS_VERIFY is set; its files are those of the flags, else ca.pem, cert.pem and key.pem in DOCKER_CERT_PATH.
 */
export function chooseHost(flags: HostFlags, environment: Environment): Host {
  const given = flags.host || environment['TSNET_HOST'] || environment['DOCKER_HOST'] || defaultHost
  const files = [flags.tlscacert, flags.tlscert, flags.tlskey]
  const isTls =
    flags.tlsverify || files.some((file) => file !== '') || Boolean(environment['DOCKER_TLS_VERIFY'])
  const host = parseHost(given, isTls ? 2376 : 2375)
  if (!isTls || 'socketPath' in host.connect) return host
  const folder = environment['DOCKER_CERT_PATH'] || join(environment['HOME'] ?? '/', '.docker')
  const [ca, cert, key] = ['ca', 'cert', 'key'].map(
    (name, index) => files[index] || join(folder, `${name}.pem`),
  )
  return { ...host, tls: { ca: ca!, cert: cert!, key: key! } }
}

/** Reads `unix:///path`, `tcp://host[:port]`, `host:port` or `[v6]:port`. */
export function parseHost(given: string, defaultPort = 2375): Host {
  const text = given.trim()
  if (text.startsWith('unix://'))
    return { text, connect: { socketPath: text.slice(7) || defaultHost.slice(7) } }
  const scheme = /^([a-z]+):\/\//.exec(text)
  if (scheme && scheme[1] !== 'tcp') throw badHost(given)
  const address = scheme ? text.slice('tcp://'.length) : text
  const parts = /^(\[[0-9a-fA-F:.%]+\]|[^:/[\]]*)(?::(\d*))?\/?$/.exec(address)
  if (!parts) throw badHost(given)
  const host = parts[1]!.replace(/^\[|\]$/g, '') || '127.0.0.1'
  const port = Number(parts[2] || defaultPort)
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
