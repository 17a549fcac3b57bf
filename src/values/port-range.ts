/** Ports of a container as Docker writes them, `80/tcp`, and as ranges of them, `8000-8010/udp`. */

export interface PortRange {
  readonly first: number
  readonly last: number
  readonly protocol: string
}

/** Of what `formatPortRange` has written; `80` is TCP's. */
export function splitPortRange(text: string): PortRange {
  const [ports = '', protocol = 'tcp'] = text.split('/')
  const [first = '', last = first] = ports.split('-')
  return { first: Number(first), last: Number(last), protocol }
}

export function formatPortRange({ first, last, protocol }: PortRange): string {
  return `${first === last ? first : `${first}-${last}`}/${protocol}`
}

/** `8000/udp`, `8001/udp` … */
export function listPorts({ first, last, protocol }: PortRange): string[] {
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${protocol}`)
}

/** The same ports in as few ranges as can be, in order. */
export function joinPortRanges(ranges: readonly PortRange[]): PortRange[] {
  const joined: PortRange[] = []
  const sorted = ranges.toSorted((a, b) => a.protocol.localeCompare(b.protocol) || a.first - b.first)
  for (const range of sorted) {
    const before = joined.at(-1)
    if (before !== undefined && before.protocol === range.protocol && range.first <= before.last + 1) {
      joined[joined.length - 1] = { ...before, last: Math.max(before.last, range.last) }
    } else joined.push(range)
  }
  return joined
}

/** What is left of `range` without `others`. */
export function subtractPortRanges(range: PortRange, others: readonly PortRange[]): PortRange[] {
  const left: PortRange[] = []
  let first = range.first
  for (const other of joinPortRanges(others.filter(({ protocol }) => protocol === range.protocol))) {
    if (other.last < first || other.first > range.last) continue
    if (other.first > first) left.push({ ...range, first, last: other.first - 1 })
    first = other.last + 1
  }
  return first <= range.last ? [...left, { ...range, first }] : left
}
