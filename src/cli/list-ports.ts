/** The PORTS column. */

/** A port as GET /containers/json lists it; IP and PublicPort are there when it is published. */
export interface PortSummary {
  readonly IP?: string
  readonly PrivatePort: number
  readonly PublicPort?: number
  readonly Type: string
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
  const mapped: string[] = []
  const groups = new Map<string, Group>()
  for (const port of [...(ports ?? [])].sort(comparePorts)) {
    if (port.IP && port.PublicPort !== port.PrivatePort) {
      mapped.push(`${withBrackets(port.IP)}:${port.PublicPort}->${port.PrivatePort}/${port.Type}`)
      continue
    }
    const address = port.IP ?? ''
    const key = `${address}/${port.Type}`
    const group = groups.get(key)
    if (group && port.PrivatePort === group.last + 1) {
      group.last = port.PrivatePort
      continue
    }
    if (group) done.push(formatGroup(group))
    groups.set(key, { address, type: port.Type, first: port.PrivatePort, last: port.PrivatePort })
  }
  return [...done, ...[...groups.values()].map(formatGroup), ...mapped].join(', ')
}

function formatGroup({ address, type, first, last }: Group): string {
  const range = first === last ? `${first}` : `${first}-${last}`
  return address === '' ? `${range}/${type}` : `${withBrackets(address)}:${range}->${range}/${type}`
}

function withBrackets(address: string): string {
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
function compareAddresses(one: string, other: string): number {
  const isOneSix = one.includes(':')
  if (isOneSix !== other.includes(':')) return isOneSix ? 1 : -1
  return one < other ? -1 : one > other ? 1 : 0
}
