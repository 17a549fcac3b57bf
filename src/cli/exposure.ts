/** Who can reach each published port, as far as the binding decides it: the host's own rules may let in fewer. */
import { formatPorts, type PortSummary } from './list-ports.ts'

/** One published port or range of a container. */
export interface Exposure {
  readonly container: string
  readonly port: PortSummary
}

/** The published ports of containers as lists have them. */
export function listExposures(
  containers: readonly {
    readonly Names: readonly string[] | null
    readonly Ports: readonly PortSummary[] | null
  }[],
): Exposure[] {
  return containers.flatMap(({ Names, Ports }) =>
    (Ports ?? [])
      .filter(({ IP }) => IP !== undefined && IP !== '')
      .map((port) => ({ container: (Names?.[0] ?? '').replace(/^\//, ''), port })),
  )
}

/** `0.0.0.0:8080->80/tcp` */
export function formatExposed({ port }: Exposure): string {
  const place = port.Via === 'route' ? "the container's own address: " : ''
  return place + formatPorts([port])
}

/** `everyone`, `this host`, `10.0.0.0/8 by eth1` … */
export function formatClients({ port }: Exposure): string {
  const { IP = '', From, HostInterface } = port
  if (IP === '::1' || IP.startsWith('127.')) return 'this host'
  const clients =
    From === undefined ? everyone(IP) : From.filter((one) => isSix(one) === isSix(IP)).join(', ')
  const way = port.Via === 'route' ? ' with a route to it' : HostInterface ? ` by ${HostInterface}` : ''
  const policy = port.HostPolicy === 'respect' ? ", if the host's rules let them in" : ''
  return clients + way + policy
}

function everyone(ip: string): string {
  return isSix(ip) ? 'everyone over IPv6' : 'everyone over IPv4'
}

function isSix(address: string): boolean {
  return address.includes(':')
}

/** Whose address the program sees: a relay hides the client's. */
export function formatSeen({ port }: Exposure): string {
  if (port.Via === 'proxy') return "the host's"
  return port.IP?.startsWith('127.') ? "the host's" : "the client's"
}
