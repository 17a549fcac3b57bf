/** Lists of bindings as sets of ports: joined into ranges, added to, taken away from, whatever ranges they are written in. */
import { isFixed } from '../ports/choose.ts'
import { slicePublished } from '../ports/reservation.ts'
import type { PortBinding, PublishedPort } from '../store/records.ts'
import { type PortRange, subtractPortRanges } from '../values/port-range.ts'

/** The ports of the container. */
export function rangeOf({
  containerPort,
  count,
  protocol,
}: Pick<PortBinding, 'containerPort' | 'count' | 'protocol'>): PortRange {
  return { first: containerPort, last: containerPort + count - 1, protocol }
}

/** Neighbours joined into ranges: ten thousand ports of a client are one binding here. */
export function joinBindings(bindings: readonly PortBinding[]): PortBinding[] {
  const joined: PortBinding[] = []
  for (const binding of bindings.toSorted(byNeighbourhood)) {
    const last = joined.at(-1)
    if (last !== undefined && areNeighbours(last, binding)) joined[joined.length - 1] = join(last, binding)
    else joined.push(binding)
  }
  return joined
}

/** Brings together what differs by the same distance between container port and host port. */
function byNeighbourhood(a: PortBinding, b: PortBinding): number {
  return (
    compare(a.protocol, b.protocol) ||
    compare(placeKey(a), placeKey(b)) ||
    Number(isFixed(b)) - Number(isFixed(a)) ||
    (isFixed(a) ? distance(a) - distance(b) : 0) ||
    a.containerPort - b.containerPort
  )
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function distance({ hostPort, containerPort }: PortBinding): number {
  return hostPort - containerPort
}

function placeKey({ hostAddress, hostInterface, hostPolicy, sources }: PortBinding): string {
  return [hostAddress, hostInterface, hostPolicy, ...sources].join(' ')
}

function areNeighbours(a: PortBinding, b: PortBinding): boolean {
  return isAlike(a, b) && a.containerPort + a.count === b.containerPort
}

/** Whether two fixed bindings are parts of one possible range. */
function isAlike(a: PortBinding, b: PortBinding): boolean {
  return (
    isFixed(a) &&
    isFixed(b) &&
    a.protocol === b.protocol &&
    distance(a) === distance(b) &&
    placeKey(a) === placeKey(b)
  )
}

function areSame(a: PortBinding, b: PortBinding): boolean {
  return (
    a.protocol === b.protocol &&
    a.containerPort === b.containerPort &&
    a.count === b.count &&
    a.hostPort === b.hostPort &&
    a.hostPortEnd === b.hostPortEnd &&
    placeKey(a) === placeKey(b)
  )
}

function join(a: PortBinding, b: PortBinding): PortBinding {
  return { ...a, count: a.count + b.count, hostPortEnd: b.hostPortEnd }
}

/** What of `bindings` is not among `others`. */
export function withoutBindings(
  bindings: readonly PortBinding[],
  others: readonly PortBinding[],
): PortBinding[] {
  const rest = [...others]
  return bindings.flatMap((binding) => {
    if (isFixed(binding))
      return subtract(
        binding,
        rest.filter((other) => isAlike(binding, other)),
      )
    const twin = rest.findIndex((other) => areSame(other, binding))
    if (twin >= 0) rest.splice(twin, 1)
    return twin >= 0 ? [] : [binding]
  })
}

/** The binding itself when nothing is taken from it. */
function subtract(binding: PortBinding, others: readonly PortBinding[]): PortBinding[] {
  return subtractPortRanges(rangeOf(binding), others.map(rangeOf)).map(({ first, last }) => {
    const count = last - first + 1
    if (count === binding.count) return binding
    const shift = distance(binding)
    return { ...binding, containerPort: first, hostPort: first + shift, hostPortEnd: last + shift, count }
  })
}

/**
 * What of `bindings` is left, each untouched one being itself, without those that `unwanted` means: itself, or, when it names no host port, all that lead to its
 * container ports.
 */
export function takeBindings(
  bindings: readonly PortBinding[],
  unwanted: PortBinding,
): readonly PortBinding[] {
  if (unwanted.hostPort !== 0) return withoutBindings(bindings, [unwanted])
  return bindings.flatMap((binding) => {
    if (unwanted.hostAddress !== '' && unwanted.hostAddress !== binding.hostAddress) return [binding]
    if (unwanted.hostInterface !== '' && unwanted.hostInterface !== binding.hostInterface) return [binding]
    if (isFixed(binding)) return subtract(binding, [unwanted])
    // ports that are chosen together go together
    return overlaps(rangeOf(binding), rangeOf(unwanted)) ? [] : [binding]
  })
}

function overlaps(a: PortRange, b: PortRange): boolean {
  return a.protocol === b.protocol && a.first <= b.last && b.first <= a.last
}

/**
 * The published ports that stand for `binding`, which has an address wherever its network gives it one; of a binding with a choice these
 * may be another's, if that is among those published.
 */
export function publishedFor(published: readonly PublishedPort[], binding: PortBinding): PublishedPort[] {
  const meant = published.flatMap((port) => (standsFor(port, binding) ? [port] : []))
  if (isFixed(binding)) return meant.flatMap((port) => intersect(port, binding))
  const whole = meant.filter(
    ({ containerPort, count }) => containerPort === binding.containerPort && count === binding.count,
  )
  // of several chosen ones the first
  return whole.filter(({ hostPort, via }) => via === 'route' || hostPort === whole[0]?.hostPort)
}

/**
 * The published ports that stand for each of `bindings`, in their order. None stands for two: who asks for certain host ports comes
 * first, who takes any comes last.
 */
export function publishedForEach(
  published: readonly PublishedPort[],
  bindings: readonly PortBinding[],
): PublishedPort[][] {
  const leeway = (binding: PortBinding): number => (isFixed(binding) ? 0 : binding.hostPort > 0 ? 1 : 2)
  const found = new Map<PortBinding, PublishedPort[]>()
  let rest = published
  for (const binding of bindings.toSorted((a, b) => leeway(a) - leeway(b))) {
    const own = publishedFor(rest, binding)
    found.set(binding, own)
    rest = withoutPublished(rest, own)
  }
  return bindings.map((binding) => found.get(binding)!)
}

function standsFor(port: PublishedPort, binding: PortBinding): boolean {
  const { hostAddress, hostPort, hostPortEnd } = binding
  return (
    port.protocol === binding.protocol &&
    port.hostInterface === binding.hostInterface &&
    port.hostPolicy === binding.hostPolicy &&
    port.sources.join(' ') === binding.sources.join(' ') &&
    (hostAddress === ''
      ? port.hostAddress === '0.0.0.0' || port.hostAddress === '::'
      : port.hostAddress === hostAddress) &&
    (port.via === 'route' ||
      hostPort === 0 ||
      (isFixed(binding)
        ? port.hostPort - port.containerPort === distance(binding)
        : port.hostPort >= hostPort && port.hostPort <= hostPortEnd))
  )
}

function intersect(port: PublishedPort, { containerPort, count }: PortBinding): PublishedPort[] {
  const from = Math.max(0, containerPort - port.containerPort)
  const to = Math.min(port.count, containerPort + count - port.containerPort)
  return from < to ? [slicePublished(port, from, to)] : []
}

/** What of `published` is left without `parts` of it. */
export function withoutPublished(
  published: readonly PublishedPort[],
  parts: readonly PublishedPort[],
): PublishedPort[] {
  return published.flatMap((port) => {
    const cuts = parts.filter(
      (part) =>
        port.hostAddress === part.hostAddress &&
        port.hostInterface === part.hostInterface &&
        port.sources.join(' ') === part.sources.join(' ') &&
        port.via === part.via &&
        (port.via === 'route' || port.hostPort - port.containerPort === part.hostPort - part.containerPort),
    )
    return subtractPortRanges(rangeOf(port), cuts.map(rangeOf)).map(({ first, last }) =>
      slicePublished(port, first - port.containerPort, last + 1 - port.containerPort),
    )
  })
}
