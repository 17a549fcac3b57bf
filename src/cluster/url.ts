/** Where a cluster's state is: `etcd://H1:2379,H2:2379,H3:2379?ca=FILE&cert=FILE&key=FILE&…`. */
import { resolve } from 'node:path'
import { TsnetError } from '../errors.ts'

export interface ClusterUrl {
  /** host:port of each server; an IPv6 address is in brackets. */
  readonly servers: readonly string[]
  /** Absolute paths of files in PEM, '' for none; null without TLS. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string } | null
  /** The file's first line is the password. */
  readonly user: { readonly name: string; readonly passwordFile: string } | null
  /** seconds after which a host that says nothing is forgotten */
  readonly ttl: number
  /** Before every key; ends with a slash. */
  readonly prefix: string
}

const parameters = ['ca', 'cert', 'key', 'user', 'password-file', 'ttl', 'prefix']
const example = 'etcd://10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379'

function bad(message: string): TsnetError {
  return new TsnetError('invalid', 'bad-cluster-url', message)
}

/** Throws kind 'invalid' with what is wrong in it. */
export function parseClusterUrl(text: string): ClusterUrl {
  const [, hosts = '', query = ''] = /^etcd:\/\/([^/?#]*)\/?(?:\?([^#]*))?$/.exec(text) ?? []
  if (hosts === '') throw bad(`cluster "${withoutPassword(text)}" must name servers of etcd, e.g. ${example}`)
  const given = parseParameters(query)
  return {
    servers: parseServers(hosts),
    tls: parseTls(given),
    user: parseUser(given),
    ttl: parseTtl(given.get('ttl') ?? '15'),
    prefix: parsePrefix(given.get('prefix') ?? '/tsnet'),
  }
}

/** What was given stands in logs. */
function withoutPassword(text: string): string {
  return text.replace(/\/\/[^/@]*@/, '//…@')
}

function parseServers(hosts: string): string[] {
  if (hosts.includes('@')) {
    throw bad('cluster must not hold a password: give ?user=NAME&password-file=FILE')
  }
  const servers = hosts.split(',').map(parseServer)
  const twice = servers.find((server, index) => servers.indexOf(server) !== index)
  if (twice !== undefined) throw bad(`cluster names the server ${twice} twice`)
  return servers
}

function parseServer(text: string): string {
  const [, host = '', port = '2379'] =
    /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(text) ?? []
  if (host === '' || Number(port) < 1 || Number(port) > 65_535) {
    throw bad(`cluster server "${text}" must be HOST:PORT, e.g. 10.0.0.1:2379 or [2001:db8::1]:2379`)
  }
  return `${host}:${Number(port)}`
}

function parseParameters(query: string): Map<string, string> {
  const given = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(query)) {
    if (!parameters.includes(name)) {
      throw bad(`cluster parameter "${name}" is unknown: known are ${parameters.join(', ')}`)
    }
    if (given.has(name)) throw bad(`cluster parameter "${name}" is given twice`)
    if (value === '') throw bad(`cluster parameter "${name}" is empty: leave it out, or give it a value`)
    given.set(name, value)
  }
  return given
}

function parseTls(given: ReadonlyMap<string, string>): ClusterUrl['tls'] {
  const [ca = '', cert = '', key = ''] = [given.get('ca'), given.get('cert'), given.get('key')]
  if ((cert === '') !== (key === '')) {
    throw bad(
      `cluster parameter "${cert === '' ? 'key' : 'cert'}" needs the other one: give cert and key together`,
    )
  }
  return ca === '' && cert === '' ? null : { ca: absolute(ca), cert: absolute(cert), key: absolute(key) }
}

const absolute = (path: string): string => (path === '' ? '' : resolve(path))

function parseUser(given: ReadonlyMap<string, string>): ClusterUrl['user'] {
  const [name, passwordFile] = [given.get('user'), given.get('password-file')]
  if (name === undefined && passwordFile === undefined) return null
  if (name === undefined || passwordFile === undefined) {
    throw bad('cluster parameters "user" and "password-file" need each other: give both')
  }
  return { name, passwordFile: resolve(passwordFile) }
}

/** etcd itself gives no lease for less than 2 s. */
function parseTtl(text: string): number {
  const ttl = Number(text)
  if (!/^\d+$/.test(text) || ttl < 2 || ttl > 3600) {
    throw bad(`cluster parameter "ttl" is "${text}": give seconds from 2 to 3600`)
  }
  return ttl
}

function parsePrefix(text: string): string {
  if (!/^(\/[A-Za-z0-9._-]+)+\/?$/.test(text)) {
    throw bad(`cluster parameter "prefix" is "${text}": give a path such as /tsnet`)
  }
  return text.endsWith('/') ? text : `${text}/`
}
