import { type ErrorKind, TsnetError } from '../errors.ts'
import type { Protocol } from '../store/records.ts'
import { SyscallError } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { openInetSocket, type SocketType } from '../sys/socket.ts'
import { findHolder } from './holder.ts'

/** One address of the host at which a port is wanted. */
export interface Place {
  readonly family: 4 | 6
  readonly address: string
  readonly protocol: Protocol
}

const types: Readonly<Record<Protocol, SocketType>> = { tcp: 'stream', udp: 'datagram', sctp: 'sctp' }

/**
 * A bound (and, unless UDP, listening) socket that takes nothing in: as long as it is open the port is ours. Address
 * reuse is for TCP alone, where it only means not to wait for old connections; with UDP it would share the port.
 */
export function bindPort({ family, address, protocol }: Place, port: number): Fd {
  const isDatagram = protocol === 'udp'
  return openInetSocket({
    family,
    type: types[protocol],
    address,
    port,
    discard: true,
    v6only: family === 6,
    reuseAddress: !isDatagram,
    ...(isDatagram ? {} : { listen: 4096 }),
  })
}

/** Whether the host has IPv6: kernels can lack it, and sysctls can switch it off. */
export function hasIpv6(): boolean {
  try {
    openInetSocket({ family: 6, type: 'datagram', address: '::1', port: 0 }).close()
    return true
  } catch {
    return false
  }
}

/** `0.0.0.0:8080` or `[::]:8080` */
export function formatPlace({ family, address }: Place, port: number): string {
  return family === 6 ? `[${address}]:${port}` : `${address}:${port}`
}

const sentences: Readonly<Record<string, string>> = {
  EADDRINUSE: 'address already in use',
  EADDRNOTAVAIL: 'cannot assign requested address',
  EACCES: 'permission denied',
}

const kinds: Readonly<Record<string, ErrorKind>> = { EADDRINUSE: 'conflict', EADDRNOTAVAIL: 'invalid' }

/** The failure of `bindPort` in the words that Docker's users know. */
export function explainBindFailure(error: unknown, place: Place, port: number): unknown {
  if (!(error instanceof SyscallError)) return error
  if (error.call === 'socket' && place.protocol === 'sctp') {
    const text = `sctp port ${port} cannot be published: this kernel has no SCTP sockets (module sctp)`
    return new TsnetError('unsupported', 'sctp', text, { cause: error })
  }
  const sentence = sentences[error.errnoName]
  if (sentence === undefined) return error
  const holder = error.errnoName === 'EADDRINUSE' ? findHolder(place.protocol, port) : ''
  const text = `failed to bind host port ${formatPlace(place, port)}/${place.protocol}: ${sentence}`
  const kind = kinds[error.errnoName] ?? error.kind
  return new TsnetError(kind, 'port-bind', holder === '' ? text : `${text} (held by ${holder})`, {
    cause: error,
  })
}
