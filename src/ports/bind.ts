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
  /** The interface by which clients must come in, '' for any. */
  readonly interface: string
  readonly protocol: Protocol
}

const types: Readonly<Record<Protocol, SocketType>> = { tcp: 'stream', udp: 'datagram', sctp: 'sctp' }

/**
 * A bound (and, unless UDP, listening) socket that takes nothing in: as long as it is open the port is ours at all `places`,
 * which are one, or the wildcards of both families. Address reuse is for TCP alone, where it only means not to wait for old
 * connections; with UDP it would share the port.
 */
export function bindPort(places: readonly Place[], port: number): Fd {
  const { family, address, interface: device, protocol } = places.at(-1)!
  const isDatagram = protocol === 'udp'
  return openInetSocket({
    family,
    type: types[protocol],
    address,
    port,
    discard: true,
    high: true,
    freebind: !isWildcard(address),
    ...(device === '' ? {} : { device }),
    ...(family === 6 ? { v6only: places.length === 1 } : {}),
    reuseAddress: !isDatagram,
    ...(isDatagram ? {} : { listen: 4096 }),
  })
}

export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
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

/** `0.0.0.0:8080`, `[::]:8080` or, at one interface, `eth1:8080` */
export function formatPlace({ family, address, interface: device }: Place, port: number): string {
  if (device !== '' && isWildcard(address)) return `${device}:${port}`
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
  if (error.errnoName === 'EMFILE') return tooMany(error, port)
  const text = `failed to bind host port ${formatPlace(place, port)}/${place.protocol}`
  if (error.errnoName === 'ENODEV') {
    const reason = `the host has no interface ${place.interface}`
    return new TsnetError('invalid', 'no-interface', `${text}: ${reason}`, { cause: error })
  }
  const sentence = sentences[error.errnoName]
  if (sentence === undefined) return error
  const holder = error.errnoName === 'EADDRINUSE' ? findHolder(place.protocol, port).name : ''
  const held = holder === '' ? '' : ` (held by ${holder})`
  const kind = kinds[error.errnoName] ?? error.kind
  return new TsnetError(kind, 'port-bind', `${text}: ${sentence}${held}`, { cause: error })
}

function tooMany(cause: Error, port: number): TsnetError {
  const text = `host port ${port} cannot be reserved: the daemon may not open more descriptors (its limit nofile): each published port needs one`
  return new TsnetError('unavailable', 'too-many-ports', text, { cause })
}
