/**
 * The wanted rules as lines of iptables(8), spelled as iptables-save(8) prints them, so that what stands can be compared
 * with what should. Lines of ports carry no comment: each would take 256 bytes in the kernel, which goes through all
 * rules of a table whenever one is added.
 */
import { parseIp } from '../values/ip.ts'
import {
  type AllowRule,
  type BridgeRule,
  type EgressRule,
  type Family,
  ownerComment,
  type PublishRule,
  type Rule,
} from './rules.ts'

export type Table = 'filter' | 'nat' | 'raw' | 'mangle'

/** A line in a chain of tsnet's. */
export interface Line {
  readonly table: Table
  /** The end of the chain's name, which begins with TSNET- and the instance. */
  readonly purpose: string
  /** What follows the chain's name, or what comes before `-j` where `jump` says to which chain of tsnet's. */
  readonly spec: string
  readonly jump?: string
  /** It is to stand before the other lines of its chain. */
  readonly isFirst?: true
  /** The chain is one of many that stand only as long as there are lines in them: how it is reached. */
  readonly bucket?: Bucket
}

export interface Bucket {
  readonly table: Table
  readonly purpose: string
  /** The purpose of the chain from which it is reached. */
  readonly parent: string
  readonly match: string
}

export const loopback: Readonly<Record<Family, string>> = { 4: '127.0.0.0/8', 6: '::1/128' }

/** The lines of those of the rules that are of the family. */
export function linesOf(rules: readonly Rule[], family: Family): Line[] {
  return rules.filter((rule) => rule.family === family).flatMap(linesOfRule)
}

function linesOfRule(rule: Rule): Line[] {
  switch (rule.kind) {
    case 'bridge':
      return bridgeLines(rule)
    case 'egress':
      return egressLines(rule)
    case 'allow':
      return [allowLine(rule)]
    case 'publish':
      return rule.mode === 'dnat' ? [...publishLines(rule), ...loopbackLines(rule)] : openLines(rule)
  }
}

/**
 * RFC 4861: router solicitation, neighbour solicitation and advertisement; without neighbours there is no IPv6 at all. What
 * is forwarded has a smaller hop limit than theirs.
 */
const neighbourTypes = [133, 135, 136]

/** What ends up in a restricted container's chain is dropped, unless a line before returns it. */
function egressLines(rule: EgressRule): Line[] {
  const neighbours = neighbourTypes.map(
    (type) => `-p ipv6-icmp -m icmp6 --icmpv6-type ${type} -m hl --hl-eq 255 -j RETURN`,
  )
  return [
    ...(rule.family === 6
      ? neighbours.map((spec) => ({ ...ofSender(rule, spec), isFirst: true as const }))
      : []),
    ofSender(rule, '-j DROP'),
  ]
}

function allowLine(rule: AllowRule): Line {
  const { family, destination, protocol, port } = rule
  const to = `-m conntrack --ctorigdst ${destination.replace(family === 4 ? /\/32$/ : /\/128$/, '')}`
  const spec = protocol === '' ? to : `-p ${protocol} ${to} --ctorigdstport ${port}`
  return { ...ofSender(rule, `${spec} -j RETURN`), isFirst: true }
}

/** A line in the chain of one restricted container. */
function ofSender({ owner, interface: name, mac }: EgressRule | AllowRule, spec: string): Line {
  const purpose = `from-${owner.slice(0, 8)}`
  const bucket: Bucket = {
    table: 'filter',
    purpose,
    parent: 'EGRESS',
    match: `-i ${name} -m mac --mac-source ${mac}`,
  }
  return { table: 'filter', purpose, spec, bucket }
}

function bridgeLines(rule: BridgeRule): Line[] {
  const { family, interface: name, mode, internal } = rule
  const mark = markOf(rule)
  const line = (table: Table, purpose: string, spec: string): Line => ({ table, purpose, spec })
  const lines = [line('filter', 'WITHIN', `-i ${name} -o ${name} ${mark} -j ACCEPT`)]
  if (mode === 'isolated')
    lines.push(line('raw', 'ISOLATED', `-i ${name} -m addrtype --dst-type LOCAL ${mark} -j DROP`))
  // route_localnet on a bridge opens 127.0.0.0/8 of the host to its containers: shut it again
  if (family === 4) lines.push(line('raw', 'LOOPBACK', `-i ${name} ${mark} -j DROP`))
  if (internal || mode === 'isolated') {
    lines.push(line('filter', 'INTERNAL', `-i ${name} ${mark} -j DROP`))
    lines.push(line('filter', 'INTERNAL', `-o ${name} ${mark} -j DROP`))
  } else {
    lines.push(line('filter', 'BETWEEN', `-i ${name} ${mark} -j DROP`), ...intoLines(rule))
    lines.push(line('filter', 'OUT', `-i ${name} ${mark} -j ACCEPT`))
    if (rule.clampMss) lines.push(...clampLines(rule))
  }
  return [...lines, ...keepSource(rule), ...sourceSpecs(rule).map((spec) => line('nat', 'MASQUERADE', spec))]
}

function clampLines(rule: BridgeRule): Line[] {
  const target = `-p tcp -m tcp --tcp-flags SYN,RST SYN ${markOf(rule)} -j TCPMSS --clamp-mss-to-pmtu`
  return ['-i', '-o'].map((side) => ({
    table: 'mangle',
    purpose: 'CLAMP',
    spec: `${side} ${rule.interface} ${target}`,
  }))
}

/** Who is let in. Their order counts; that of one bridge's among those of others does not. */
function intoLines(rule: BridgeRule): Line[] {
  const { family, interface: name, mode } = rule
  const mark = markOf(rule)
  const into = (spec: string, jump?: string): Line => ({
    table: 'filter',
    purpose: 'INTO',
    spec,
    ...(jump === undefined ? {} : { jump }),
  })
  const echo = family === 4 ? '-p icmp -m icmp --icmp-type 8' : '-p ipv6-icmp -m icmp6 --icmpv6-type 128'
  const isOpen = mode === 'nat-unprotected'
  return [
    into(`-o ${name} -m conntrack --ctstate RELATED,ESTABLISHED ${mark} -j ACCEPT`),
    into(`-o ${name} -m conntrack --ctstate DNAT ${mark} -j ACCEPT`),
    ...(mode === 'routed' ? [into(`-o ${name} ${echo} ${mark} -j ACCEPT`)] : []),
    into(`-o ${name} ${mark}`, 'OPEN'),
    ...(isOpen ? [into(`-o ${name} ${mark}`, 'BETWEEN')] : []),
    into(`-o ${name} ${mark} -j ${isOpen ? 'ACCEPT' : 'DROP'}`),
  ]
}

/** Published ports show containers of other networks as they are: their answers come back by the host. */
function keepSource(rule: BridgeRule): Line[] {
  const { interface: name, subnet } = rule
  const published = '-m conntrack --ctstate DNAT -m addrtype ! --src-type LOCAL'
  const spec = `! -s ${subnet} -o ${name} ${published} ${markOf(rule)} -j RETURN`
  return rule.mode === 'isolated' ? [] : [{ table: 'nat', purpose: 'MASQUERADE', spec, isFirst: true }]
}

/** Under which address packets come and go. */
function sourceSpecs(rule: BridgeRule): string[] {
  const { family, interface: name, subnet, mode, masquerade, snatAddress } = rule
  if (mode === 'isolated') return []
  const mark = markOf(rule)
  const target = snatAddress === '' ? 'MASQUERADE' : `SNAT --to-source ${snatAddress}`
  return [
    `-s ${subnet} -o ${name} -m conntrack --ctstate DNAT ${mark} -j MASQUERADE`,
    `-s ${loopback[family]} -o ${name} ${mark} -j MASQUERADE`,
    ...(masquerade && mode !== 'routed' ? [`-s ${subnet} ! -o ${name} ${mark} -j ${target}`] : []),
  ]
}

/** One line for a port or a range and each source; `/base` makes the kernel keep the offset between two ranges. */
function publishLines(rule: PublishRule): Line[] {
  const { family, hostAddress, hostPort, count, address, port } = rule
  const host = family === 6 ? `[${address}]` : address
  const target = count === 1 ? `${host}:${port}` : `${host}:${port}-${port + count - 1}/${hostPort}`
  return inBucketOfPorts('nat', 'PUBLISH', rule, (service) =>
    waysTo(rule, hostAddress).map((way) => `${way}${service} -j DNAT --to-destination ${target}`),
  )
}

/** Who comes from outside for a port of the loopback addresses is turned away, whatever the interface's sysctls say. */
function loopbackLines(rule: PublishRule): Line[] {
  const { hostAddress } = rule
  if (!hostAddress.startsWith('127.')) return []
  return inBucketOfPorts('raw', 'LOOPBACK', rule, (service) => [`-d ${hostAddress}/32 ${service} -j DROP`])
}

/** How many ports share a chain: a power of two. */
const BUCKET = 256

/** A range that lies in two buckets stands in the chain above them. */
function inBucketOfPorts(
  table: Table,
  parent: string,
  { protocol, hostPort, count }: PublishRule,
  specsFor: (service: string) => string[],
): Line[] {
  const specs = specsFor(serviceSpec(protocol, hostPort, count))
  const begin = hostPort - (hostPort % BUCKET)
  if (hostPort + count > begin + BUCKET) return specs.map((spec) => ({ table, purpose: parent, spec }))
  const purpose = `${protocol}-${begin}`
  const bucket = { table, purpose, parent, match: serviceSpec(protocol, begin, BUCKET) }
  return specs.map((spec) => ({ table, purpose, spec, bucket }))
}

function openLines(rule: PublishRule): Line[] {
  const { family, address, protocol, port, count } = rule
  const byte = parseIp(address).at(-1)!
  const bucket: Bucket = {
    table: 'filter',
    purpose: `to-${byte}`,
    parent: 'OPEN',
    match: family === 4 ? `-d 0.0.0.${byte}/0.0.0.255` : `-d ::${byte === 0 ? '' : byte.toString(16)}/::ff`,
  }
  return waysTo(rule, address).map((way) => ({
    table: 'filter',
    purpose: bucket.purpose,
    spec: `${way}${serviceSpec(protocol, port, count)} -j ACCEPT`,
    bucket,
  }))
}

/** `-s source -d destination -i interface `, once for each source. */
function waysTo({ family, hostInterface, sources }: PublishRule, destination: string): string[] {
  const to = destination === '' ? '' : `-d ${destination}/${family === 4 ? 32 : 128} `
  // what the host sends to itself comes in nowhere
  const by = hostInterface === '' ? '' : hostInterface === 'lo' ? '-o lo ' : `-i ${hostInterface} `
  return sources.length === 0 ? [to + by] : sources.map((source) => `-s ${source} ${to}${by}`)
}

function serviceSpec(protocol: string, first: number, count: number): string {
  const ports = count === 1 ? `${first}` : `${first}:${first + count - 1}`
  return `-p ${protocol} -m ${protocol} --dport ${ports}`
}

function markOf({ owner }: Rule): string {
  return `-m comment --comment "${ownerComment(owner)}"`
}
