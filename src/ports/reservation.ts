/** What one published port or range is made of: its sockets, and proxies on those that the kernel's DNAT cannot serve. */
import { TsnetError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { PortBinding, PublishedPort } from '../store/records.ts'
import type { Fd } from '../sys/fd.ts'
import { stopDiscarding } from '../sys/socket.ts'
import { bindPort, hasIpv6, type Place } from './bind.ts'
import type { PortProxy, ProxyTarget } from './proxy.ts'
import { serveTcpProxy } from './tcp-proxy.ts'
import { serveUdpProxy } from './udp-proxy.ts'

/** The container's address in each family, without prefix length; '' where it has none that leads out. */
export interface PortTargets {
  readonly v4: string
  readonly v6: string
}

export interface Reservation {
  readonly published: PublishedPort
  /** Sockets, and the proxies that took some of them over. */
  readonly held: { close(): void }[]
}

/** Where a binding is wanted: no address means every address of both families, if the host has both. */
export function listPlaces({ hostAddress, protocol }: PortBinding, targets: PortTargets): Place[] {
  if (hostAddress !== '') return [placeOf(hostAddress, protocol)]
  const v4 = placeOf('0.0.0.0', protocol)
  const v6 = placeOf('::', protocol)
  return hasIpv6() && canServe(v6, targets) ? [v4, v6] : [v4]
}

export function placeOf(address: string, protocol: Place['protocol']): Place {
  return { family: address.includes(':') ? 6 : 4, address, protocol }
}

/** Which of the sockets could not be bound, and why. */
export interface BindFailure {
  readonly error: unknown
  readonly place: Place
  readonly port: number
}

/** Binds `count` ports from `first` at each place, all or none; one list of sockets per place. */
export function bindAll(places: readonly Place[], first: number, count: number): Fd[][] | BindFailure {
  using undo = new DisposableStack()
  const sockets: Fd[][] = []
  for (const place of places) {
    const row: Fd[] = []
    for (let port = first; port < first + count; port++) {
      try {
        row.push(undo.use(bindPort(place, port)))
      } catch (error) {
        return { error, place, port }
      }
    }
    sockets.push(row)
  }
  undo.move()
  return sockets
}

/** DNAT keeps the client's address, but it stays within a family, and answers to ::1 cannot come from a bridge. */
export function chooseWay(place: Place, targets: PortTargets): PublishedPort['via'] {
  const target = place.family === 4 ? targets.v4 : targets.v6
  return target !== '' && place.address !== '::1' ? 'dnat' : 'proxy'
}

function canServe(place: Place, targets: PortTargets): boolean {
  return place.protocol !== 'sctp' || chooseWay(place, targets) === 'dnat'
}

/** Refuses what can neither be translated nor relayed. */
export function checkServable(place: Place, targets: PortTargets): void {
  if (canServe(place, targets)) return
  const text = `sctp port on ${place.address} cannot be published: the container has no IPv${place.family} address`
  throw new TsnetError('unsupported', 'sctp', text)
}

/**
 * Starts the proxies that a reservation of bound sockets needs; they join what it holds. `[::]` needs one for ::1 in
 * any case.
 */
export async function serve(
  { published, held }: Reservation,
  sockets: readonly Fd[],
  targets: PortTargets,
  log: Logger,
): Promise<void> {
  const place = placeOf(published.hostAddress, published.protocol)
  const address = place.family === 6 ? targets.v6 || targets.v4 : targets.v4 || targets.v6
  const isProxied = published.via === 'proxy' || (place.address === '::' && place.protocol !== 'sctp')
  if (!isProxied || address === '') return
  for (const [index, fd] of sockets.entries()) {
    const target = { address, port: published.containerPort + index }
    stopDiscarding(fd)
    held.push(await serveProxy(fd, place, target, log))
  }
}

function serveProxy(
  fd: Fd,
  { protocol, family }: Place,
  target: ProxyTarget,
  log: Logger,
): Promise<PortProxy> {
  return protocol === 'tcp' ? serveTcpProxy(fd, target, log) : serveUdpProxy(fd, family, target, log)
}

export function closeReservation({ held }: Reservation): void {
  for (const each of held) each.close()
}
