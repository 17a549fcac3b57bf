/** The PORTS column. */

/** A port as GET /containers/json lists it; IP and PublicPort are there when it is published. */
export interface PortSummary {
  readonly IP?: string
  readonly PrivatePort: number
  readonly PublicPort?: number
  readonly Type: string
  /** So many ports from these on; 1 when it is missing. */
  readonly Count?: number
  /** The interface by which clients must come in. */
  readonly HostInterface?: string
  /** CIDRs of the clients that may use it; everyone when it is missing. */
  readonly From?: readonly string[]
  /** 'respect': the host's rules decide who comes in. */
  readonly HostPolicy?: 'respect'
  readonly Via?: 'dnat' | 'proxy' | 'route'
}

interface Group {
  readonly address: string
  readonly type: string
  first: number
  last: number
}

/** `0.0.0.0:8080->80/tcp, 9000-9001/tcp`: neighbours with the same port on both sides are joined to ranges. */
export function formatPorts(ports: readonly PortSummary[] | null | undefined): string {
  const done: string[] = []
  const mapped: PortSummary[] = []
  const groups = new Map<string, Group>()
  for (const port of [...(ports ?? [])].sort(comparePorts)) {
    const count = port.Count ?? 1
    if (port.IP && port.PublicPort !== undefined && port.PublicPort !== port.PrivatePort) {
      for (let offset = 0; offset < count; offset++) mapped.push(portAt(port, offset))
      continue
    }
    // what is routed to has no port of the host
    const address = port.PublicPort === undefined ? '' : (port.IP ?? '')
    const key = `${address}/${port.Type}`
    const group = groups.get(key)
    if (group && port.PrivatePort === group.last + 1) {
      group.last += count
      continue
    }
    if (group) done.push(formatGroup(group))
    const last = port.PrivatePort + count - 1
    groups.set(key, { address, type: port.Type, first: port.PrivatePort, last })
  }
  const single = mapped.sort(comparePorts).map(formatMapped)
  return [...done, ...[...groups.values()].map(formatGroup), ...single].join(', ')
}

/** One port of a range. */
function portAt(range: PortSummary, offset: number): PortSummary {
  const { PrivatePort, PublicPort = 0 } = range
  return { ...range, PrivatePort: PrivatePort + offset, PublicPort: PublicPort + offset }
}

function formatMapped({ IP = '', PublicPort, PrivatePort, Type }: PortSummary): string {
  return `${withBrackets(IP)}:${PublicPort}->${PrivatePort}/${Type}`
}

function formatGroup({ address, type, first, last }: Group): string {
  const range = first === last ? `${first}` : `${first}-${last}`
  return address === '' ? `${range}/${type}` : `${withBrackets(address)}:${range}->${range}/${type}`
}

export function withBrackets(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}

function comparePorts(one: PortSummary, other: PortSummary): number {
  return (
    one.PrivatePort - other.PrivatePort ||
    compareAddresses(one.IP ?? '', other.IP ?? '') ||
    (one.PublicPort ?? 0) - (other.PublicPort ?? 0) ||
    one.Type.localeCompare(other.Type)
  )
}

/** IPv4 comes before IPv6, as in Docker. */
export function compareAddresses(one: string, other: string): number {
  const isOneSix = one.includes(':')
  if (isOneSix !== other.includes(':')) return isOneSix ? 1 : -1
  return one < other ? -1 : one > other ? 1 : 0
}
