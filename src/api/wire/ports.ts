/** Ports on the wire: `{"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}` and what lists and inspect say of them. */
import { TsnetError } from '../../errors.ts'
import type { PortBinding, Protocol, PublishedPort } from '../../store/records.ts'
import { isIp } from '../../values/ip.ts'
import type { PortSummary } from '../schema/container.ts'
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

/** `80/tcp` for each exposed port. */
export function toExposedPorts(ports: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(ports).flatMap((key) => {
    const { first, last, protocol } = parseContainerPorts(key)
    return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${protocol}`)
  })
}

/** Bindings with neighbouring ones joined into ranges: ten thousand ports of a client are one binding here. */
export function toPortBindings(ports: PortMap): PortBinding[] {
  const bindings = Object.entries(ports).flatMap(([key, hosts]) => {
    const container = parseContainerPorts(key)
    return (hosts ?? []).map((host) => toBinding(container, host.HostIp ?? '', host.HostPort ?? ''))
  })
  return joinNeighbours(bindings)
}

function toBinding(
  { first, last, protocol }: ContainerPorts,
  hostAddress: string,
  hostPort: string,
): PortBinding {
  if (hostAddress !== '' && !isIp(hostAddress)) throw invalid(`invalid IP address: ${hostAddress}`)
  const count = last - first + 1
  const host = parseRange(hostPort || '0')
  const isOffer = count === 1 && host.last > host.first
  if (!isOffer && host.last !== 0 && host.last - host.first + 1 !== count) {
    throw invalid(
      `invalid port specification: "${hostPort}": ${count} container ports need as many host ports`,
    )
  }
  return {
    protocol,
    containerPort: first,
    hostAddress,
    hostInterface: '',
    sources: [],
    hostPort: host.first,
    hostPortEnd: host.last,
    count,
  }
}

/** Whether the host ports are given one by one, not left to be chosen. */
function isFixed(binding: PortBinding): boolean {
  return binding.hostPort !== 0 && binding.hostPortEnd === binding.hostPort + binding.count - 1
}

function joinNeighbours(bindings: readonly PortBinding[]): PortBinding[] {
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
  const distance = (binding: PortBinding): number => binding.hostPort - binding.containerPort
  return (
    a.protocol.localeCompare(b.protocol) ||
    a.hostAddress.localeCompare(b.hostAddress) ||
    Number(isFixed(b)) - Number(isFixed(a)) ||
    (isFixed(a) ? distance(a) - distance(b) : 0) ||
    a.containerPort - b.containerPort
  )
}

function areNeighbours(a: PortBinding, b: PortBinding): boolean {
  return (
    a.protocol === b.protocol &&
    a.hostAddress === b.hostAddress &&
    isFixed(a) &&
    isFixed(b) &&
    a.containerPort + a.count === b.containerPort &&
    a.hostPort + a.count === b.hostPort
  )
}

function join(a: PortBinding, b: PortBinding): PortBinding {
  return { ...a, count: a.count + b.count, hostPortEnd: b.hostPortEnd }
}

type HostBinding = { HostIp: string; HostPort: string }

function push(map: Record<string, HostBinding[] | null>, port: string, host: HostBinding): void {
  map[port] ??= []
  map[port].push(host)
}

/** HostConfig.PortBindings as inspect shows them: one entry a port, as Docker's clients expect. */
export function fromPortBindings(bindings: readonly PortBinding[]): Record<string, HostBinding[]> {
  const map: Record<string, HostBinding[]> = {}
  for (const binding of bindings) {
    for (let offset = 0; offset < binding.count; offset++) {
      push(map, `${binding.containerPort + offset}/${binding.protocol}`, {
        HostIp: binding.hostAddress,
        HostPort: hostPortText(binding, offset),
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

/** NetworkSettings.Ports: where each published port is reached now, null for one that is only exposed. */
export function toPortMap(
  published: readonly PublishedPort[],
  exposed: readonly string[],
): Record<string, HostBinding[] | null> {
  const map: Record<string, HostBinding[] | null> = {}
  for (const { protocol, hostAddress, hostPort, containerPort, count } of published) {
    for (let offset = 0; offset < count; offset++) {
      push(map, `${containerPort + offset}/${protocol}`, {
        HostIp: hostAddress,
        HostPort: String(hostPort + offset),
      })
    }
  }
  for (const port of exposed) map[port] ??= null
  return map
}

/** Ports of a list's entry: every published one, then those that are only exposed. */
export function toPortSummaries(
  published: readonly PublishedPort[],
  exposed: readonly string[],
): PortSummary[] {
  const summaries: PortSummary[] = []
  const seen = new Set<string>()
  for (const { protocol, hostAddress, hostPort, containerPort, count } of published) {
    for (let offset = 0; offset < count; offset++) {
      const PrivatePort = containerPort + offset
      seen.add(`${PrivatePort}/${protocol}`)
      summaries.push({ IP: hostAddress, PrivatePort, PublicPort: hostPort + offset, Type: protocol })
    }
  }
  for (const port of exposed) {
    if (seen.has(port)) continue
    const { first, protocol } = parseContainerPorts(port)
    summaries.push({ PrivatePort: first, Type: protocol })
  }
  return summaries
}
