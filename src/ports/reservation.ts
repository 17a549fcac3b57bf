/** What one published port or range is made of: its sockets, and proxies on those that the kernel's DNAT cannot serve. */
import { TsnetError } from '../errors.ts'
import type { PortBinding, PublishedPort } from '../store/records.ts'
import type { Fd } from '../sys/fd.ts'
import { bindPort, hasIpv6, isWildcard, type Place } from './bind.ts'

/** Where ports lead: the container's addresses in each family, and how they are reached. */
export interface PortTargets {
  /** Without prefix length; '' where it has none that leads out. */
  readonly v4: string
  readonly v6: string
  /** Whether the family's packets are routed to the container's own address: no port of the host is taken then. */
  readonly routed4: boolean
  readonly routed6: boolean
  /** Somebody else leads all packets: nothing goes through the daemon. */
  readonly unrelayed?: true
  /** Somebody else binds them, or nobody: no socket is kept, and nobody else is given them. */
  readonly unbound?: true
}

/** What decides how a place is served. */
export interface Reach extends PortTargets {
  /** Whether packets must come in as they would to a program of the host. */
  readonly asHost: boolean
  /** Whether the daemon may stand in where DNAT cannot serve. */
  readonly proxy: boolean
}

export interface Reservation {
  /** One port or range at its places, which are equal in all but address and way. */
  readonly published: readonly PublishedPort[]
  /** What each port holds: its socket, or the proxy that took it over. Empty when routed, or bound by somebody else. */
  readonly held: { close(): void }[]
}

/**
 * Where a binding is wanted: no address means every address of both families, as far as the host has them, the proxy may serve
 * them and the binding's sources are of them.
 */
export function listPlaces(binding: PortBinding, targets: Reach): Place[] {
  const { hostAddress, hostInterface, protocol, sources } = binding
  if (hostAddress !== '') return [placeOf({ hostAddress, hostInterface, protocol })]
  const [v4, v6] = ['0.0.0.0', '::'].map((address) =>
    placeOf({ hostAddress: address, hostInterface, protocol }),
  ) as [Place, Place]
  const wanted = [v4, v6].filter(({ family }) => isForFamily(sources, family))
  const served = wanted.filter((place) => canServe(place, targets) && (place.family === 4 || hasIpv6()))
  // what cannot be served at all is refused by name
  return served.length > 0 ? served : wanted.slice(0, 1)
}

export function isForFamily(sources: readonly string[], family: 4 | 6): boolean {
  return sources.length === 0 || sources.some((source) => source.includes(':') === (family === 6))
}

export function placeOf(published: Pick<PublishedPort, 'hostAddress' | 'hostInterface' | 'protocol'>): Place {
  const { hostAddress: address, hostInterface, protocol } = published
  return { family: address.includes(':') ? 6 : 4, address, interface: hostInterface, protocol }
}

/** The places that one socket can hold: the wildcards of both families, as an IPv6 socket can stand for IPv4 too. */
export function groupPlaces(places: readonly Place[]): Place[][] {
  return places.length === 2 && places.every(({ address }) => isWildcard(address))
    ? [[...places]]
    : places.map((place) => [place])
}

/** Which of the sockets could not be bound, and why. */
export interface BindFailure {
  readonly error: unknown
  readonly places: readonly Place[]
  readonly port: number
}

/** Binds `count` ports from `first` at each group of places, all or none; one list of sockets per group. */
export function bindAll(
  groups: readonly (readonly Place[])[],
  first: number,
  count: number,
): Fd[][] | BindFailure {
  using undo = new DisposableStack()
  const sockets: Fd[][] = []
  for (const places of groups) {
    const row: Fd[] = []
    for (let port = first; port < first + count; port++) {
      try {
        row.push(undo.use(bindPort(places, port)))
      } catch (error) {
        return { error, places, port }
      }
    }
    sockets.push(row)
  }
  undo.move()
  return sockets
}

/**
 * DNAT keeps the client's address, but it stays within a family, answers to ::1 cannot come from a bridge, and it is done before
 * the host's rules for incoming packets, which a socket obeys.
 */
export function chooseWay({ family, address }: Place, targets: Reach): PublishedPort['via'] {
  const [target, isRouted] = family === 4 ? [targets.v4, targets.routed4] : [targets.v6, targets.routed6]
  if (target !== '' && isRouted) return 'route'
  return target !== '' && address !== '::1' && !targets.asHost ? 'dnat' : 'proxy'
}

/** A network whose containers are reached at their own addresses has no others, not even of the other family. */
function canServe(place: Place, targets: Reach): boolean {
  const way = chooseWay(place, targets)
  if (way !== 'proxy') return way === 'dnat' || !targets.asHost
  const isOnlyRouted = place.family === 4 ? targets.routed6 : targets.routed4
  return place.protocol !== 'sctp' && targets.proxy && !isOnlyRouted
}

/** Refuses what can neither be translated nor relayed. */
export function checkServable(place: Place, targets: Reach): void {
  if (canServe(place, targets)) return
  const { protocol, family, address } = place
  if (targets.asHost) {
    const text = `${protocol} port on ${address} cannot be published with host-policy=respect: ${asHostLack(protocol, targets)}`
    throw new TsnetError('unsupported', 'no-proxy', text)
  }
  const lack =
    address === '::1' && targets.v6 !== ''
      ? 'only a proxy serves that address'
      : `the container has no IPv${family} address that leads out`
  const text = `${protocol} port on ${address} cannot be published: ${lack}`
  throw new TsnetError('unsupported', protocol === 'sctp' ? 'sctp' : 'no-proxy', text)
}

function asHostLack(protocol: string, targets: Reach): string {
  if (protocol === 'sctp') return 'there is no proxy for sctp'
  if (!targets.proxy) return 'that needs the proxy, which userland-proxy=false turns off'
  return 'a routed network leads past the host'
}

/** How a reservation's sockets are to be served by proxies; null when the kernel does it all. */
export function proxiedTarget(
  published: readonly PublishedPort[],
  targets: Reach,
): { readonly address: string; readonly family: 4 | 6; readonly receive: 'all' | 'ipv6' } | null {
  const place = placeOf(published.at(-1)!)
  if (!targets.proxy || place.protocol === 'sctp') return null
  const isProxied = published.some(({ via }) => via === 'proxy')
  // [::] has ::1 in it, unless clients must come in elsewhere
  if (!isProxied && (place.address !== '::' || place.interface !== '')) return null
  const { v4, v6 } = targets
  const address = place.family === 6 ? v6 || v4 : v4 || v6
  const isTranslated4 = published.some(({ hostAddress, via }) => hostAddress === '0.0.0.0' && via === 'dnat')
  return { address, family: place.family, receive: isTranslated4 && place.family === 6 ? 'ipv6' : 'all' }
}

export function closeReservation({ held }: Reservation): void {
  for (const each of held) each.close()
}

/** Closes the ports of `reservation` that `part` names and returns what is left of it; the same when there is none. */
export function cutReservation(reservation: Reservation, part: PublishedPort): Reservation[] {
  const whole = reservation.published.find((published) => sharesPorts(published, part))
  if (whole === undefined) return [reservation]
  const from = Math.max(0, part.containerPort - whole.containerPort)
  const to = Math.min(whole.count, part.containerPort + part.count - whole.containerPort)
  closeReservation({ ...reservation, held: reservation.held.slice(from, to) })
  return [sliceReservation(reservation, 0, from), sliceReservation(reservation, to, whole.count)].filter(
    ({ published }) => published[0]!.count > 0,
  )
}

function sharesPorts(whole: PublishedPort, part: PublishedPort): boolean {
  return (
    whole.protocol === part.protocol &&
    whole.hostAddress === part.hostAddress &&
    whole.hostInterface === part.hostInterface &&
    whole.via === part.via &&
    (whole.via === 'route' || whole.hostPort - whole.containerPort === part.hostPort - part.containerPort) &&
    part.containerPort < whole.containerPort + whole.count &&
    whole.containerPort < part.containerPort + part.count
  )
}

function sliceReservation({ published, held }: Reservation, from: number, to: number): Reservation {
  return { published: published.map((port) => slicePublished(port, from, to)), held: held.slice(from, to) }
}

/** The ports from the one at `from` to the one before `to`. */
export function slicePublished(port: PublishedPort, from: number, to: number): PublishedPort {
  return {
    ...port,
    hostPort: port.via === 'route' ? 0 : port.hostPort + from,
    containerPort: port.containerPort + from,
    count: to - from,
  }
}
