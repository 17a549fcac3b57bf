/** `-p` and `--expose`. */
import { isIP } from 'node:net'
import { badValue } from './bad-value.ts'
import { cut } from './cut.ts'

/** One port of a container on one of the host's; `hostPort` is '' for any, or a range to choose from. */
export interface PublishedPort {
  /** `80/tcp` */
  readonly port: string
  /** An address, the name of an interface, or '' for all. */
  readonly hostIp: string
  readonly hostPort: string
  /** CIDRs of those who may use it; empty for everyone. */
  readonly from: readonly string[]
  /** '' or 'respect' */
  readonly hostPolicy: string
}

/** A port's bindings as the API takes them. */
export type PortBindings = Record<
  string,
  { HostIp: string; HostPort: string; From?: readonly string[]; HostPolicy?: string }[]
>

/** The bindings of any number of `-p`, by the port in the container. */
export function toPortBindings(published: readonly PublishedPort[]): PortBindings {
  const bindings: PortBindings = {}
  for (const { port, hostIp, hostPort, from, hostPolicy } of published) {
    bindings[port] ??= []
    bindings[port].push({
      HostIp: hostIp,
      HostPort: hostPort,
      ...(from.length > 0 && { From: from }),
      ...(hostPolicy !== '' && { HostPolicy: hostPolicy }),
    })
  }
  return bindings
}

type Range = readonly [first: number, last: number]

/**
 * Reads `[ip|interface:][host[-hostEnd]:]container[-containerEnd][/protocol][,from=CIDR]…[,host-policy=respect]`, or the long form
 * `published=8080,target=80`. A range yields one entry per port.
 */
export function parsePublish(text: string): readonly PublishedPort[] {
  const [given, from, hostPolicy] = splitWho(text)
  const parts = given.split(':')
  const [container, protocol] = splitProtocol(parts.at(-1)!)
  if (container === '') throw badValue(`no port specified: ${given}<empty>`)
  const hostPort = parts.at(-2) ?? ''
  const hostIp = parsePlace(parts.slice(0, -2).join(':'))
  const inside = readRange(container)
  if (!inside) throw badValue(`invalid containerPort: ${container}`)
  const outside = hostPort === '' ? undefined : readRange(hostPort)
  if (hostPort !== '' && !outside) throw badValue(`invalid hostPort: ${hostPort}`)
  if (outside && size(outside) !== size(inside) && size(inside) > 1) {
    throw badValue(`invalid ranges specified for container and host Ports: ${container} and ${hostPort}`)
  }
  return portsOf(inside).map((port, index) => ({
    port: `${port}/${protocol}`,
    hostIp,
    hostPort: outside ? hostPortAt(outside, index, size(inside)) : '',
    from,
    hostPolicy,
  }))
}

/** One port of a container: `80/tcp` for `80`. */
export function parsePort(text: string): string {
  const [port, protocol] = splitProtocol(text)
  const range = readRange(port)
  if (!range || size(range) > 1) throw badValue(`invalid port '${port}'`)
  return `${port}/${protocol}`
}

/** The ports of `8000-8010/udp`, each as `8000/udp`. */
export function parseExpose(text: string): readonly string[] {
  const [ports, protocol] = splitProtocol(text)
  const range = readRange(ports)
  if (!range)
    throw badValue(`invalid range format for --expose: invalid start port '${ports}': invalid syntax`)
  return portsOf(range).map((port) => `${port}/${protocol}`)
}

/** Cuts `from=` and `host-policy=` off the end, and brings the long form into the short one. */
function splitWho(text: string): [short: string, from: readonly string[], hostPolicy: string] {
  const fields = text.split(',')
  const from = fields.flatMap((field) => (field.startsWith('from=') ? [parseSource(field.slice(5))] : []))
  const policies = fields.filter((field) => field.startsWith('host-policy='))
  const hostPolicy = policies.at(-1)?.slice('host-policy='.length) ?? ''
  if (policies.length > 0 && hostPolicy !== 'respect')
    throw badValue(`invalid host-policy: ${hostPolicy} (must be "respect")`)
  const rest = fields.filter((field) => !field.startsWith('from=') && !field.startsWith('host-policy='))
  const isShort = rest.length === 1 && !rest[0]!.includes('=')
  return [isShort ? rest[0]! : fromLongForm(rest), from, hostPolicy]
}

function parseSource(text: string): string {
  const [address, prefix] = cut(text, '/')
  const longest = isIP(address) === 6 ? 128 : 32
  const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= longest)
  if (isIP(address) === 0 || !isPrefix) throw badValue(`invalid CIDR address: ${text}`)
  return text
}

function fromLongForm(given: readonly string[]): string {
  const fields: Record<string, string> = { protocol: 'tcp', published: '', target: '' }
  for (const field of given) {
    const [key, content] = cut(field, '=')
    if (content === undefined || key === '') {
      throw badValue(`invalid publish opts format (should be name=value but got '${field}')`)
    }
    fields[key] = content
  }
  return `${fields['published']}:${fields['target']}/${fields['protocol']}`
}

function splitProtocol(text: string): [ports: string, protocol: string] {
  const [ports, named] = cut(text, '/')
  const protocol = (named || 'tcp').toLowerCase()
  if (!['tcp', 'udp', 'sctp'].includes(protocol)) throw badValue(`invalid proto: ${named}`)
  return [ports, protocol]
}

/** What has no colon and is not made of digits and dots may be an interface: the daemon knows which names it can have. */
function parsePlace(text: string): string {
  const address = /^\[(.*)\]$/.exec(text)?.[1] ?? text
  if (address === '' || isIP(address) !== 0) return address
  const isInterface = !text.startsWith('[') && !/^[\d.]+$/.test(text) && /^[^\s/:%]{1,15}$/.test(text)
  if (!isInterface) throw badValue(`invalid IP address: ${address}`)
  return text
}

function readRange(text: string): Range | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text)
  if (!match) return undefined
  const first = Number(match[1])
  const last = Number(match[2] ?? match[1])
  return first <= last && last <= 65535 ? [first, last] : undefined
}

function size([first, last]: Range): number {
  return last - first + 1
}

function portsOf(range: Range): number[] {
  return Array.from({ length: size(range) }, (_, index) => range[0] + index)
}

/** One container port with a range of host ports takes any of them; otherwise they go in step. */
function hostPortAt(outside: Range, index: number, count: number): string {
  return count === 1 && size(outside) > 1 ? `${outside[0]}-${outside[1]}` : String(outside[0] + index)
}
