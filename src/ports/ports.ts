/**
 * The host's ports. A bound socket in the daemon is the reservation, so that there is no second truth beside the
 * kernel's; the firewall leads the packets past it.
 */
import { TsnetError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { PortBinding, PublishedPort } from '../store/records.ts'
import { SyscallError } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { explainBindFailure, formatPlace, type Place } from './bind.ts'
import { candidatePorts } from './choose.ts'
import {
  type BindFailure,
  bindAll,
  checkServable,
  chooseWay,
  closeReservation,
  listPlaces,
  type PortTargets,
  placeOf,
  type Reservation,
  serve,
} from './reservation.ts'

export interface Ports {
  /**
   * Takes host ports for a container, all or none, and serves those that go through the proxy. Throws kind 'conflict'
   * in Docker's words with the holder's name, 'unsupported' for SCTP on a kernel without it.
   */
  reserve(
    owner: string,
    ownerName: string,
    bindings: readonly PortBinding[],
    targets: PortTargets,
  ): Promise<readonly PublishedPort[]>
  /** After a restart: takes the recorded ports again. One that somebody took meanwhile is logged and left out. */
  adopt(
    owner: string,
    ownerName: string,
    published: readonly PublishedPort[],
    targets: PortTargets,
  ): Promise<void>
  /** Safe to repeat. */
  release(owner: string): void
  /** Releases everything. */
  close(): void
}

interface Owner {
  readonly name: string
  readonly reservations: Reservation[]
}

export function createPorts({ log }: { readonly log: Logger }): Ports {
  const owners = new Map<string, Owner>()
  /** Where the next search for a free port begins, so that numbers are not given out again at once. */
  let cursor = 0

  function release(owner: string): void {
    for (const reservation of owners.get(owner)?.reservations ?? []) closeReservation(reservation)
    owners.delete(owner)
  }

  function enter(owner: string, name: string): Reservation[] {
    release(owner)
    const reservations: Reservation[] = []
    owners.set(owner, { name, reservations })
    return reservations
  }

  function explain({ error, place, port }: BindFailure): unknown {
    const holder = isTaken(error) ? findOwner(owners.values(), place, port) : undefined
    if (holder === undefined) return explainBindFailure(error, place, port)
    const text = `Bind for ${formatPlace(place, port)} failed: port is already allocated (by container ${holder})`
    return new TsnetError('conflict', 'port-allocated', text, { cause: error })
  }

  /** Binds the first of the candidates that is free at every place. */
  function bind(binding: PortBinding, places: readonly Place[]): { first: number; rows: readonly Fd[][] } {
    let failure: BindFailure | null = null
    for (const first of candidatePorts(binding, cursor)) {
      const last = first + binding.count - 1
      if (failure !== null && failure.port >= first && failure.port <= last) continue
      const rows = bindAll(places, first, binding.count)
      if (Array.isArray(rows)) {
        if (binding.hostPort === 0) cursor = last + 1
        return { first, rows }
      }
      failure = rows
      if (!isTaken(rows.error)) break
    }
    throw failure !== null && (isFixed(binding) || !isTaken(failure.error))
      ? explain(failure)
      : exhausted(binding)
  }

  /** From here on the sockets are the owner's, whatever becomes of the proxies. */
  async function take(
    reservations: Reservation[],
    ports: readonly PublishedPort[],
    rows: readonly Fd[][],
    targets: PortTargets,
  ) {
    const taken = ports.map((published, index) => ({ published, held: [...rows[index]!] }))
    reservations.push(...taken)
    for (const [index, reservation] of taken.entries()) await serve(reservation, rows[index]!, targets, log)
  }

  return {
    async reserve(owner, ownerName, bindings, targets) {
      const reservations = enter(owner, ownerName)
      try {
        for (const binding of bindings) {
          const places = listPlaces(binding, targets)
          for (const place of places) checkServable(place, targets)
          const { first, rows } = bind(binding, places)
          const published = places.map((place) => publishedAt(binding, place, first, targets))
          await take(reservations, published, rows, targets)
        }
      } catch (error) {
        release(owner)
        throw error
      }
      return reservations.map(({ published }) => published)
    },
    async adopt(owner, ownerName, published, targets) {
      const reservations = enter(owner, ownerName)
      for (const port of published) {
        const rows = bindAll([placeOf(port.hostAddress, port.protocol)], port.hostPort, port.count)
        if (Array.isArray(rows)) await take(reservations, [port], rows, targets)
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
    },
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof SyscallError && error.errnoName === 'EADDRINUSE'
}

function isFixed({ hostPort, hostPortEnd, count }: PortBinding): boolean {
  return hostPort !== 0 && hostPortEnd <= hostPort + count - 1
}

function exhausted({ hostAddress, hostPort, hostPortEnd, protocol }: PortBinding): TsnetError {
  const where = hostPort === 0 ? '' : ` in ${hostAddress || '0.0.0.0'}:${hostPort}-${hostPortEnd}/${protocol}`
  return new TsnetError('conflict', 'ports-exhausted', `all ports are allocated${where}`)
}

function publishedAt(binding: PortBinding, place: Place, first: number, targets: PortTargets): PublishedPort {
  const { protocol, hostInterface, sources, containerPort, count } = binding
  const via = chooseWay(place, targets)
  return {
    protocol,
    hostAddress: place.address,
    hostInterface,
    sources,
    hostPort: first,
    containerPort,
    count,
    via,
  }
}

/** The name of the container that holds a port, by tsnet's own knowledge. */
function findOwner(owners: Iterable<Owner>, place: Place, port: number): string | undefined {
  for (const { name, reservations } of owners) {
    if (reservations.some(({ published }) => overlaps(published, place, port))) return name
  }
  return undefined
}

const wildcards: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

function overlaps(published: PublishedPort, place: Place, port: number): boolean {
  const { address, family, protocol } = placeOf(published.hostAddress, published.protocol)
  const isSameAddress = address === place.address || wildcards.has(address) || wildcards.has(place.address)
  const isInRange = port >= published.hostPort && port < published.hostPort + published.count
  return isInRange && isSameAddress && family === place.family && protocol === place.protocol
}
