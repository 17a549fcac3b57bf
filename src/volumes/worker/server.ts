/**
 * What mount.nfs and mount.cifs do before mount(2): the server's name becomes an address, which the kernel must be given, and a
 * server that does not answer is found out at once, where mount(2) would try for minutes.
 */
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { connect } from 'node:net'
import { TsnetError } from '../../errors.ts'
import type { MountSource } from './mount-source.ts'

interface Protocol {
  readonly port: number
  /** The server's name in the device. */
  readonly host: RegExp
  /** The option that names the server's address to the kernel. */
  readonly addressOption: string
  readonly defaults: (options: readonly string[]) => readonly string[]
}

const nfs: Protocol = {
  port: 2049,
  host: /^\[?([^\]/]+?)\]?:\//,
  addressOption: 'addr',
  defaults: softly,
}

const cifs: Protocol = {
  port: 445,
  host: /^[\\/]{2}([^\\/]+)[\\/]/,
  addressOption: 'ip',
  defaults: () => [],
}

const protocols: Readonly<Record<string, Protocol>> = { nfs, nfs4: nfs, cifs, smb3: cifs }

export function isNetworkType(type: string): boolean {
  return Object.hasOwn(protocols, type)
}

/** A program that waits for a server which is gone for good cannot even be killed on every kernel: unless asked to, none waits for ever. */
function softly(options: readonly string[]): readonly string[] {
  const has = (pattern: RegExp): boolean => options.some((option) => pattern.test(option))
  if (has(/^(hard|soft|softerr)$/)) return []
  // tenths of a second: errors after some minute
  return ['soft', ...(has(/^timeo=/) ? [] : ['timeo=100']), ...(has(/^retrans=/) ? [] : ['retrans=2'])]
}

/** The same source with an address that has answered. Throws kind 'unavailable' saying which server does not. */
export async function resolveServer(source: MountSource): Promise<MountSource> {
  const protocol = protocols[source.type]!
  const given = source.options.split(',').filter((option) => option !== '')
  const isAddress = (option: string): boolean => /^(addr|ip)=/.test(option)
  const named = given.find(isAddress)?.replace(/^\w+=/, '')
  const host = named ?? protocol.host.exec(source.device)?.[1]
  if (host === undefined) return source
  const port = Number(
    given.find((option) => option.startsWith('port='))?.slice('port='.length) ?? protocol.port,
  )
  const byUdp = given.some((option) => /^(proto=udp6?|udp)$/.test(option))
  const address = byUdp ? await resolve(host) : await findAnswering(source.type, host, port)
  const rest = given.filter((option) => !isAddress(option))
  const options = [`${protocol.addressOption}=${address}`, ...rest, ...protocol.defaults(given)].join(',')
  return { ...source, options }
}

async function resolve(host: string): Promise<string> {
  try {
    return (await lookup(host)).address
  } catch (error) {
    throw unresolved(host, error)
  }
}

/** Milliseconds for a server to take a connection. */
const connectDeadline = 5000

/** The first of the host's addresses that takes a connection: a name may have one of either family, and its server only one. */
async function findAnswering(type: string, host: string, port: number): Promise<string> {
  const socket = connect({ host, port })
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(connectDeadline) })
    return socket.remoteAddress!
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === 'getaddrinfo') throw unresolved(host, error)
    throw unavailable(`${type} server ${host} does not answer on port ${port}: ${reasonOf(error)}`)
  } finally {
    socket.destroy()
  }
}

const reasons: Readonly<Record<string, string>> = {
  ABORT_ERR: `timed out after ${connectDeadline / 1000} s`,
  ECONNREFUSED: 'connection refused',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network is unreachable',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name servers do not answer',
}

function reasonOf(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException
  return reasons[code] ?? message
}

function unresolved(host: string, error: unknown): TsnetError {
  return unavailable(`error resolving passed in network volume address: lookup ${host}: ${reasonOf(error)}`)
}

function unavailable(message: string): TsnetError {
  return new TsnetError('unavailable', 'volume-server', message)
}
