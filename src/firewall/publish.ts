import type { PublishedPort } from '../store/records.ts'
import { outermostCidrs, parseCidr } from '../values/cidr.ts'
import { canonicalIp } from '../values/ip.ts'
import type { PublishRule } from './rules.ts'

/** Where the container's gateway endpoint is. */
export interface PublishTarget {
  /** the endpoint's id */
  readonly owner: string
  /** the bridge */
  readonly interface: string
  /** With or without prefix length; '' for none. */
  readonly address4: string
  readonly address6: string
}

const wildcards: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

/** The rules behind published ports. A port that goes through the proxy has none. Pure. */
export function publishRules(ports: readonly PublishedPort[], target: PublishTarget): PublishRule[] {
  const { dnat = [], route = [] } = Object.groupBy(
    ports.flatMap((port) => publishRule(port, target)),
    ({ mode }) => mode,
  )
  // several host ports may lead to a port of the container, but to be routed to it has no host port at all
  return [...dnat, ...disjoint(route.map((rule) => ({ ...rule, hostAddress: '', hostPort: 0 })))]
}

/**
 * Lets who comes in by one of the host's trusted interfaces, or by any ('') reach published ports at the container's own address. What is published
 * for the host alone, or at another interface, stays so. Pure.
 */
export function trustedRules(
  ports: readonly PublishedPort[],
  target: PublishTarget,
  interfaces: readonly string[],
): PublishRule[] {
  const translated = publishRules(ports, target).filter(
    ({ mode, hostAddress }) => mode === 'dnat' && hostAddress !== '::1' && !hostAddress.startsWith('127.'),
  )
  return interfaces.flatMap((name) => {
    const own = translated.filter(({ hostInterface }) => hostInterface === '' || hostInterface === name)
    const direct = { mode: 'route', hostAddress: '', hostPort: 0, hostInterface: name } as const
    return disjoint(own.map((rule) => ({ ...rule, ...direct })))
  })
}

/** Each container port once, for the clients of all rules that lead to it: sets of intervals take none that overlap. */
function disjoint(rules: readonly PublishRule[]): PublishRule[] {
  const groups = Map.groupBy(rules, (rule) => `${rule.family} ${rule.protocol} ${rule.hostInterface}`)
  return [...groups.values()].flatMap((group) => {
    const edges = new Set(group.flatMap(({ port, count }) => [port, port + count]))
    const sorted = [...edges].sort((a, b) => a - b)
    return sorted.slice(1).flatMap((end, index) => {
      const port = sorted[index]!
      const leading = group.filter((rule) => rule.port <= port && end <= rule.port + rule.count)
      if (leading.length === 0) return []
      const isOpen = leading.some(({ sources }) => sources.length === 0)
      const sources = isOpen ? [] : outermost(leading.flatMap((rule) => rule.sources))
      return [{ ...leading[0]!, port, count: end - port, sources }]
    })
  })
}

function publishRule(port: PublishedPort, target: PublishTarget): PublishRule[] {
  if (port.via === 'proxy') return []
  const family = port.hostAddress.includes(':') ? 6 : 4
  const [address = ''] = (family === 4 ? target.address4 : target.address6).split('/')
  const own = port.sources.filter((source) => source.includes(':') === (family === 6))
  // whoever names clients of one family only means nobody of the other
  if (address === '' || (port.sources.length > 0 && own.length === 0)) return []
  return [
    {
      kind: 'publish',
      owner: target.owner,
      family,
      mode: port.via,
      protocol: port.protocol,
      hostAddress: wildcards.has(port.hostAddress) ? '' : canonicalIp(port.hostAddress),
      hostPort: port.hostPort,
      count: port.count,
      hostInterface: port.hostInterface,
      sources: outermost(own),
      interface: target.interface,
      address,
      port: port.containerPort,
    },
  ]
}

/** None when one of them is everyone. */
function outermost(sources: readonly string[]): string[] {
  return outermostCidrs(sources).filter((text) => parseCidr(text).prefix > 0)
}
