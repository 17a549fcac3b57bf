/**
 * The host's ports. A bound socket in the daemon is the reservation, so that there is no second truth beside the
 * kernel's; the firewall leads the packets past it.
 */
import { constants } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { TsnetError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { PortBinding, PublishedPort } from '../store/records.ts'
import { SyscallError } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { attachFilter, detachFilter } from '../sys/socket-filter.ts'
import { openSocketWatch } from '../sys/socket-watch.ts'
import { explainBindFailure, formatPlace, isWildcard, type Place } from './bind.ts'
import { candidatePorts, isFixed } from './choose.ts'
import { findHolder } from './holder.ts'
import { admission, type ProxiedRange, SleepingProxy } from './proxy.ts'
import {
  type BindFailure,
  bindAll,
  checkServable,
  chooseWay,
  closeReservation,
  cutReservation,
  groupPlaces,
  listPlaces,
  type PortTargets,
  placeOf,
  proxiedTarget,
  type Reach,
  type Reservation,
} from './reservation.ts'

export interface Ports {
  /**
   * Takes host ports for a container beside those it has, all or none, and serves those that go through the proxy. Throws
   * kind 'conflict' in Docker's words with the holder's name, 'unsupported' for what neither kernel nor proxy can do.
   */
  reserve(
    owner: string,
    ownerName: string,
    bindings: readonly PortBinding[],
    targets: PortTargets,
  ): Promise<readonly PublishedPort[]>
  /** After a restart: takes the recorded ports again. One that somebody took meanwhile is logged and left out. */
  adopt(owner: string, ownerName: string, published: readonly PublishedPort[], targets: PortTargets): void
  /** All of a container's ports, or those parts of its ranges. Safe to repeat. */
  release(owner: string, published?: readonly PublishedPort[]): void
  /** Releases everything. */
  close(): void
}

interface Owner {
  readonly name: string
  reservations: Reservation[]
}

/** For so long, in milliseconds, an outgoing connection that has the wanted port is waited for. */
const patience = 1_000
const retryAfter = 25

/** Without `proxy` only what the kernel can serve by itself is published. */
export function createPorts({ log, proxy }: { readonly log: Logger; readonly proxy: boolean }): Ports {
  const owners = new Map<string, Owner>()
  const watch = openSocketWatch()
  /** Where the next search for a free port begins, so that numbers are not given out again at once. */
  let cursor = 0

  function release(owner: string, parts?: readonly PublishedPort[]): void {
    const entry = owners.get(owner)
    if (entry === undefined) return
    if (parts === undefined) for (const reservation of entry.reservations) closeReservation(reservation)
    for (const part of parts ?? []) {
      entry.reservations = entry.reservations.flatMap((reservation) => cutReservation(reservation, part))
    }
    if (parts === undefined || entry.reservations.length === 0) owners.delete(owner)
  }

  function keep(owner: string, name: string, reservations: readonly Reservation[]): void {
    const entry = owners.get(owner) ?? { name, reservations: [] }
    entry.reservations.push(...reservations)
    owners.set(owner, entry)
  }

  function explain({ error, places, port }: BindFailure): unknown {
    if (isTaken(error)) {
      for (const place of places) {
        const holder = findOwner(owners.values(), place, port)
        if (holder === undefined) continue
        return new TsnetError(
          'conflict',
          'port-allocated',
          `Bind for ${formatPlace(place, port)} failed: port is already allocated (by container ${holder})`,
          { cause: error },
        )
      }
    }
    return explainBindFailure(error, places[0]!, port)
  }

  /** What no socket tells: ports that are somebody's who binds them elsewhere. */
  function findUnbound(groups: readonly Place[][], first: number, count: number): BindFailure | null {
    const unbound = [...owners.values()].map(({ name, reservations }) => ({
      name,
      reservations: reservations.filter(({ held }) => held.length === 0),
    }))
    for (const place of groups.flat()) {
      for (let port = first; port < first + count; port++) {
        if (findOwner(unbound, place, port) === undefined) continue
        return { error: new SyscallError('bind', constants.errno.EADDRINUSE), places: [place], port }
      }
    }
    return null
  }

  /** Binds the first of the candidates that is free at every place. */
  function bind(binding: PortBinding, groups: readonly Place[][]): Bound | BindFailure {
    let failure: BindFailure | null = null
    for (const first of candidatePorts(binding, cursor)) {
      const last = first + binding.count - 1
      if (failure !== null && failure.port >= first && failure.port <= last) continue
      const rows = findUnbound(groups, first, binding.count) ?? bindAll(groups, first, binding.count)
      if (Array.isArray(rows)) {
        if (binding.hostPort === 0) cursor = last + 1
        return { first, rows }
      }
      failure = rows
      if (!isTaken(rows.error)) break
    }
    if (failure !== null && (isFixed(binding) || !isTaken(failure.error))) return failure
    throw exhausted(binding)
  }

  /** A fixed port that a client's connection happens to have is soon free. */
  async function bindPatiently(binding: PortBinding, groups: readonly Place[][]): Promise<Bound> {
    const until = Date.now() + patience
    for (;;) {
      const bound = bind(binding, groups)
      if ('rows' in bound) return bound
      const { error, places, port } = bound
      const isTransient =
        isTaken(error) &&
        !places.some((place) => findOwner(owners.values(), place, port) !== undefined) &&
        findHolder(binding.protocol, port).isTransient
      if (!isTransient || Date.now() >= until) throw explain(bound)
      await delay(retryAfter)
    }
  }

  /** From here on the sockets are the reservation's, and proxies where they are needed. */
  function serve(published: readonly PublishedPort[], row: readonly Fd[], targets: Reach): Reservation {
    const proxied = proxiedTarget(published, targets)
    if (proxied === null || proxied.address === '') return { published, held: [...row] }
    const { protocol, sources, containerPort } = published[0]!
    const range: ProxiedRange = {
      protocol: protocol === 'udp' ? 'udp' : 'tcp',
      family: proxied.family,
      address: proxied.address,
      admits: admission(sources),
      publishedAt: Date.now(),
      log,
    }
    const held = row.map((fd, index) => {
      if (proxied.receive === 'all') detachFilter(fd)
      else attachFilter(fd, 'ipv6')
      return new SleepingProxy(fd, watch, range, containerPort + index)
    })
    return { published, held }
  }

  async function reserveOne(binding: PortBinding, ends: PortTargets): Promise<Reservation[]> {
    const targets = { ...ends, proxy: proxy && !ends.unrelayed, asHost: binding.hostPolicy === 'respect' }
    const places = listPlaces(binding, targets)
    for (const place of places) checkServable(place, targets)
    const [routed, local] = partition(places, (place) => chooseWay(place, targets) === 'route')
    const direct = routed.map((place) => ({ published: [publishedAt(binding, place, 0, targets)], held: [] }))
    if (local.length === 0) return direct
    const groups = groupPlaces(local)
    const { first, rows } = await bindPatiently(binding, groups)
    using undo = new DisposableStack()
    for (const fd of rows.flat()) undo.use(fd)
    const published = groups.map((group) => group.map((place) => publishedAt(binding, place, first, targets)))
    if (ends.unbound) return [...published.map((group) => ({ published: group, held: [] })), ...direct]
    const reservations = published.map((group, index) => serve(group, rows[index]!, targets))
    undo.move()
    return [...reservations, ...direct]
  }

  return {
    async reserve(owner, ownerName, bindings, targets) {
      const published: PublishedPort[] = []
      try {
        for (const binding of bindings) {
          const reservations = await reserveOne(binding, targets)
          keep(owner, ownerName, reservations)
          published.push(...reservations.flatMap((reservation) => reservation.published).sort(byFamily))
        }
      } catch (error) {
        release(owner, published)
        throw error
      }
      return published
    },
    adopt(owner, ownerName, published, targets) {
      release(owner)
      for (const group of groupPublished(published)) {
        if (group[0]!.via === 'route' || targets.unbound) {
          keep(owner, ownerName, [{ published: group, held: [] }])
          continue
        }
        const rows = bindAll([group.map(placeOf)], group[0]!.hostPort, group[0]!.count)
        if (Array.isArray(rows))
          keep(owner, ownerName, [
            serve(group, rows[0]!, { ...targets, proxy, asHost: group[0]!.hostPolicy === 'respect' }),
          ])
        else
          log.warn(
            { err: explain(rows), container: ownerName },
            'a published port was taken by somebody else',
          )
      }
    },
    release,
    close() {
      for (const owner of [...owners.keys()]) release(owner)
      watch.close()
    },
  }
}

interface Bound {
  readonly first: number
  /** One list of sockets per group of places. */
  readonly rows: readonly Fd[][]
}

function partition<T>(all: readonly T[], test: (one: T) => boolean): [T[], T[]] {
  return [all.filter(test), all.filter((one) => !test(one))]
}

function byFamily(a: PublishedPort, b: PublishedPort): number {
  return Number(a.hostAddress.includes(':')) - Number(b.hostAddress.includes(':'))
}

/** Brings the two wildcards of a binding together again, which have one socket between them. */
function groupPublished(published: readonly PublishedPort[]): PublishedPort[][] {
  const groups = new Map<string, PublishedPort[]>()
  for (const port of published) {
    const { hostAddress, via, ...rest } = port
    const isShared = isWildcard(hostAddress) && via !== 'route'
    const key = JSON.stringify(isShared ? rest : [hostAddress, via, rest])
    groups.set(key, [...(groups.get(key) ?? []), port].sort(byFamily))
  }
  return [...groups.values()]
}

function isTaken(error: unknown): boolean {
  return error instanceof SyscallError && error.errnoName === 'EADDRINUSE'
}

function exhausted({ hostAddress, hostPort, hostPortEnd, protocol }: PortBinding): TsnetError {
  const where = hostPort === 0 ? '' : ` in ${hostAddress || '0.0.0.0'}:${hostPort}-${hostPortEnd}/${protocol}`
  return new TsnetError('conflict', 'ports-exhausted', `all ports are allocated${where}`)
}

function publishedAt(binding: PortBinding, place: Place, first: number, targets: Reach): PublishedPort {
  const { protocol, hostInterface, sources, hostPolicy, containerPort, count } = binding
  const via = chooseWay(place, targets)
  return {
    protocol,
    hostAddress: place.address,
    hostInterface,
    sources,
    hostPolicy,
    hostPort: first,
    containerPort,
    count,
    via,
  }
}

/** The name of the container that holds a port, by tsnet's own knowledge. */
function findOwner(owners: Iterable<Owner>, place: Place, port: number): string | undefined {
  for (const { name, reservations } of owners) {
    const published = reservations.flatMap((reservation) => reservation.published)
    if (published.some((one) => overlaps(one, place, port))) return name
  }
  return undefined
}

/** As the kernel judges it: two interfaces do not meet, an interface and none do. */
function overlaps(published: PublishedPort, place: Place, port: number): boolean {
  const other = placeOf(published)
  const isSameAddress =
    other.address === place.address || isWildcard(other.address) || isWildcard(place.address)
  const isSameInterface =
    other.interface === place.interface || other.interface === '' || place.interface === ''
  const isInRange = port >= published.hostPort && port < published.hostPort + published.count
  const isSameKind = other.family === place.family && other.protocol === place.protocol
  return isInRange && isSameAddress && isSameInterface && isSameKind
}
