/** Where a plugin is: Docker's files, each named after the plugin, in directories of the host. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { TsnetError } from '../errors.ts'

/** Where dockerd looks too: sockets in the first, files that name an address in the others. */
export const pluginDirectories: readonly string[] = [
  '/run/docker/plugins',
  '/etc/docker/plugins',
  '/usr/lib/docker/plugins',
]

/** How a plugin is spoken to. */
export type PluginAddress =
  | { readonly kind: 'unix'; readonly socketPath: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls: PluginTls | null }

export interface PluginTls {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
  readonly rejectUnauthorized: boolean
}

/** What a file name and a URL can carry; it keeps a name from leading out of the directories. */
const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/

/** The socket, or the file that names an address; undefined where there is none. A socket wins, as in Docker. */
export function findPluginFile(directories: readonly string[], name: string): string | undefined {
  if (!namePattern.test(name)) return undefined
  const inEach = (suffix: string): string[] =>
    directories.flatMap((directory) => [
      join(directory, `${name}${suffix}`),
      join(directory, name, `${name}${suffix}`),
    ])
  return (
    inEach('.sock').find((path) => typeOf(path) === 'socket') ??
    [...inEach('.spec'), ...inEach('.json')].find((path) => typeOf(path) === 'file')
  )
}

function typeOf(path: string): 'socket' | 'file' | '' {
  const status = statSync(path, { throwIfNoEntry: false })
  if (status?.isSocket()) return 'socket'
  return status?.isFile() ? 'file' : ''
}

/** Reads what `findPluginFile` found. Throws kind 'invalid' for a file that names no address. */
export function readAddress(name: string, path: string): PluginAddress {
  if (path.endsWith('.sock')) return { kind: 'unix', socketPath: path }
  const text = readFileSync(path, 'utf8').trim()
  if (path.endsWith('.spec')) return parseAddress(name, path, text, null)
  const { Addr: address, TLSConfig: tls } = parseJson(name, path, text)
  return parseAddress(name, path, String(address ?? ''), tls ? readTls(name, path, tls) : null)
}

interface JsonFile {
  readonly Addr?: unknown
  readonly TLSConfig?: Readonly<Record<string, unknown>> | null
}

function parseJson(name: string, path: string, text: string): JsonFile {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value
  } catch {}
  throw badFile(name, `${path} holds no JSON object`)
}

function readTls(name: string, path: string, tls: Readonly<Record<string, unknown>>): PluginTls {
  const read = (key: string): Buffer | undefined => {
    const file = tls[key]
    if (typeof file !== 'string' || file === '') return undefined
    try {
      return readFileSync(file)
    } catch (error) {
      throw badFile(name, `${path} names ${file} as ${key}: ${(error as Error).message}`)
    }
  }
  const [ca, cert, key] = [read('CAFile'), read('CertFile'), read('KeyFile')]
  return {
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    rejectUnauthorized: tls['InsecureSkipVerify'] !== true,
  }
}

function parseAddress(name: string, path: string, text: string, tls: PluginTls | null): PluginAddress {
  if (text.startsWith('unix:///')) return { kind: 'unix', socketPath: text.slice('unix://'.length) }
  const url = URL.parse(text)
  const scheme = url?.protocol ?? ''
  if (url === null || !['tcp:', 'http:', 'https:'].includes(scheme) || url.hostname === '') {
    throw badFile(name, `${path} names "${text}": give unix:///path/to/socket or tcp://host:port`)
  }
  const secure = tls ?? (scheme === 'https:' ? { rejectUnauthorized: true } : null)
  const port = Number(url.port || (secure === null ? 80 : 443))
  return { kind: 'tcp', host: url.hostname.replace(/^\[|\]$/g, ''), port, tls: secure }
}

function badFile(name: string, message: string): TsnetError {
  return new TsnetError('invalid', 'plugin-file', `driver ${name}: ${message}`)
}
