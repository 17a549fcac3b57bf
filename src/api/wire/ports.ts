/** Ports on the wire: `{"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}` and what lists and inspect say of them. */
import { joinBindings, rangeOf } from '../../engine/port-set.ts'
import { TsnetError } from '../../errors.ts'
import type { PublishRule } from '../../firewall/rules.ts'
import { isFixed } from '../../ports/choose.ts'
import { isForFamily } from '../../ports/reservation.ts'
import type { PortBinding, Protocol, PublishedPort } from '../../store/records.ts'
import { formatCidr, parseCidr } from '../../values/cidr.ts'
import { checkInterfaceName } from '../../values/interface-name.ts'
import { canonicalIp, familyBits, ipFamily, isIp, unmappedIp } from '../../values/ip.ts'
import {
  formatPortRange,
  joinPortRanges,
  listPorts,
  splitPortRange,
  subtractPortRanges,
} from '../../values/port-range.ts'
import type { HostBinding, PortSummary } from '../schema/container.ts'
import type { PortMap } from '../schema/container-create.ts'

interface PortRange {
  readonly first: number
  readonly last: number
}

interface ContainerPorts extends PortRange {
  readonly protocol: Protocol
}

const protocols: readonly string[] = ['tcp', 'udp', 'sctp']
const highestPort = 65535

function invalid(message: string): TsnetError {
  return new TsnetError('invalid', 'bad-port', message)
}

function parseRange(text: string): PortRange {
  const [, low = '', high = low] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? []
  const range = { first: Number(low), last: Number(high) }
  if (low === '' || range.first > range.last || range.last > highestPort) {
    throw invalid(`invalid port specification: "${text}"`)
  }
  return range
}

/** `80/tcp`, `80`, or `8000-8010/udp`, which Docker's clients write out port by port. Throws kind 'invalid'. */
export function parseContainerPorts(key: string): ContainerPorts {
  const [port = '', protocol = 'tcp', ...rest] = key.split('/')
  const name = protocol.toLowerCase() || 'tcp'
  if (!protocols.includes(name) || rest.length > 0) throw invalid(`invalid proto: ${protocol}`)
  const range = parseRange(port)
  if (range.first === 0) throw invalid(`invalid port specification: "${port}"`)
  return { ...range, protocol: name as Protocol }
}

/** The exposed ports as ranges. */
export function toExposedPorts(ports: Readonly<Record<string, unknown>>): string[] {
  return joinPortRanges(Object.keys(ports).map(parseContainerPorts)).map(formatPortRange)
}

/** Bindings with neighbouring ones joined into ranges: ten thousand ports of a client are one binding here. */
export function toPortBindings(ports: PortMap): PortBinding[] {
  const bindings = Object.entries(ports).flatMap(([key, hosts]) => {
    const container = parseContainerPorts(key)
    return (hosts ?? []).map((host) => toBinding(container, host))
  })
  return joinBindings(bindings)
}

type WantedHost = NonNullable<PortMap[string]>[number]

function toBinding({ first, last, protocol }: ContainerPorts, wanted: WantedHost): PortBinding {
  const { HostPort } = wanted
  const count = last - first + 1
  const host = parseRange(HostPort || '0')
  const isOffer = count === 1 && host.last > host.first
  if (!isOffer && host.last !== 0 && host.last - host.first + 1 !== count) {
    throw invalid(
      `invalid port specification: "${HostPort}": ${count} container ports need as many host ports`,
    )
  }
  const place = toPlace(wanted)
  const sources = [...new Set((wanted.From ?? []).map(toSource))].sort()
  if (place.hostAddress !== '' && !isForFamily(sources, ipFamily(place.hostAddress))) {
    throw invalid(
      `invalid port specification: from=${sources.join(',')} names nobody who can reach ${place.hostAddress}: give a block of its family`,
    )
  }
  return {
    protocol,
    containerPort: first,
    ...place,
    sources,
    hostPolicy: toHostPolicy(wanted.HostPolicy ?? ''),
    hostPort: host.first,
    hostPortEnd: host.last,
    count,
  }
}

function toHostPolicy(text: string): PortBinding['hostPolicy'] {
  if (text === '' || text === 'respect') return text
  throw invalid(`invalid port specification: host-policy=${text}: it can only be "respect"`)
}

/** HostIp holds an address or, as in `-p eth1:80:80`, the name of an interface. */
function toPlace(wanted: WantedHost): Pick<PortBinding, 'hostAddress' | 'hostInterface'> {
  const [HostIp, HostInterface] = [wanted.HostIp ?? '', wanted.HostInterface ?? '']
  if (HostIp === '' || isIp(HostIp)) {
    const hostAddress = HostIp === '' ? '' : unmappedIp(HostIp)
    return { hostAddress, hostInterface: HostInterface === '' ? '' : checkInterfaceName(HostInterface) }
  }
  if (/^[\d.]+$/.test(HostIp) || HostIp.includes(':')) throw invalid(`invalid IP address: ${HostIp}`)
  return { hostAddress: '', hostInterface: checkInterfaceName(HostIp) }
}

/** A block of addresses, or one. */
function toSource(text: string): string {
  if (isIp(text)) return `${canonicalIp(text)}/${familyBits(ipFamily(text))}`
  return formatCidr(parseCidr(text))
}

function push(map: Record<string, HostBinding[] | null>, port: string, host: HostBinding): void {
  map[port] ??= []
  map[port].push(host)
}

/** What a binding has beside address and port. */
function ownFields({
  hostInterface,
  sources,
  hostPolicy,
}: Pick<PortBinding, 'hostInterface' | 'sources' | 'hostPolicy'>): Pick<
  HostBinding,
  'HostInterface' | 'From' | 'HostPolicy'
> {
  return {
    ...(hostInterface !== '' && { HostInterface: hostInterface }),
    ...(sources.length > 0 && { From: sources }),
    ...(hostPolicy !== '' && { HostPolicy: hostPolicy }),
  }
}

/** HostConfig.PortBindings as inspect shows them: one entry a port, as Docker's clients expect. */
export function fromPortBindings(bindings: readonly PortBinding[]): Record<string, HostBinding[]> {
  const map: Record<string, HostBinding[]> = {}
  for (const binding of bindings) {
    const own = ownFields(binding)
    for (let offset = 0; offset < binding.count; offset++) {
      push(map, `${binding.containerPort + offset}/${binding.protocol}`, {
        HostIp: binding.hostAddress,
        HostPort: hostPortText(binding, offset),
        ...own,
      })
    }
  }
  return map
}

function hostPortText(binding: PortBinding, offset: number): string {
  if (binding.hostPort === 0) return ''
  if (isFixed(binding)) return String(binding.hostPort + offset)
  return `${binding.hostPort}-${binding.hostPortEnd}`
}

/**
 * NetworkSettings.Ports: where each published port is reached now, null for one that is only exposed. One that is routed to has no
 * port of the host.
 */
export function toPortMap(
  published: readonly PublishedPort[],
  exposed: readonly string[],
): Record<string, HostBinding[] | null> {
  const map: Record<string, HostBinding[] | null> = {}
  for (const port of published) {
    const own = { ...ownFields(port), ...(port.via === 'proxy' && { Proxied: true as const }) }
    for (let offset = 0; offset < port.count; offset++) {
      push(map, `${port.containerPort + offset}/${port.protocol}`, {
        HostIp: port.hostAddress,
        HostPort: port.via === 'route' ? '' : String(port.hostPort + offset),
        ...own,
      })
    }
  }
  for (const port of exposed.flatMap((range) => listPorts(splitPortRange(range)))) map[port] ??= null
  return map
}

/** Ports of a list's entry as ranges: every published one, then those that are only exposed. */
export function toPortRanges(
  published: readonly PublishedPort[],
  exposed: readonly string[],
): (PortSummary & { Count: number })[] {
  const reached = published.map(rangeOf)
  return [
    ...published.map((port) => ({
      IP: port.hostAddress,
      PrivatePort: port.containerPort,
      ...(port.via !== 'route' && { PublicPort: port.hostPort }),
      Type: port.protocol,
      Count: port.count,
      ...ownFields(port),
      Via: port.via,
    })),
    ...exposed
      .flatMap((range) => subtractPortRanges(splitPortRange(range), reached))
      .map(({ first, last, protocol }) => ({ PrivatePort: first, Type: protocol, Count: last - first + 1 })),
  ]
}

/** Ports that are reached at the container's own address, as ranges. */
export function toTrustedRanges(rules: readonly PublishRule[]): PortSummary[] {
  return rules.map(({ address, port, protocol, count, hostInterface, sources }) => ({
    IP: address,
    PrivatePort: port,
    Type: protocol,
    Count: count,
    ...(hostInterface !== '' && { HostInterface: hostInterface }),
    ...(sources.length > 0 && { From: sources }),
    Via: 'route',
  }))
}

/** The same port by port, as Docker's clients expect. */
export function toPortSummaries(
  published: readonly PublishedPort[],
  exposed: readonly string[],
): PortSummary[] {
  const summaries: PortSummary[] = []
  for (const { IP, PrivatePort, PublicPort, Type, Count } of toPortRanges(published, exposed)) {
    for (let offset = 0; offset < Count; offset++) {
      summaries.push({
        ...(IP !== undefined && { IP }),
        PrivatePort: PrivatePort + offset,
        ...(PublicPort !== undefined && { PublicPort: PublicPort + offset }),
        Type,
      })
    }
  }
  return summaries
}
