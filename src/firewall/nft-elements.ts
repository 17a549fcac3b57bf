/** The wanted rules as elements of the sets and maps of tsnet's nftables tables. */
import {
  type AllowRule,
  type BridgeRule,
  type EgressRule,
  type Family,
  ownerComment,
  type PublishRule,
  type Rule,
} from './rules.ts'

/** An element of a set (no `data`) or map of the table. */
interface Element {
  readonly set: string
  readonly key: string
  readonly data?: string
  readonly comment: string
}

export interface Words {
  /** the family's name of a table */
  readonly table: string
  /** the family's type of an address */
  readonly address: string
  readonly loopback: string
  readonly everyone: string
  readonly echoRequest: string
  /** the words for the address that a connection was begun with */
  readonly dialled: string
}

export const words: Readonly<Record<Family, Words>> = {
  4: {
    table: 'ip',
    address: 'ipv4_addr',
    loopback: '127.0.0.0/8',
    everyone: '0.0.0.0/0',
    echoRequest: 'icmp type echo-request',
    dialled: 'ct original ip daddr',
  },
  6: {
    table: 'ip6',
    address: 'ipv6_addr',
    loopback: '::1',
    everyone: '::/0',
    echoRequest: 'icmpv6 type echo-request',
    dialled: 'ct original ip6 daddr',
  },
}

/**
 * Sets and maps by name: their declarations. What has no intervals is a hash, in which an element more costs the same
 * however many there are; a set of joined intervals is copied whole by each change.
 */
export function declareSets(family: Family): Readonly<Record<string, string>> {
  const { address } = words[family]
  const place = `${address} . inet_proto . inet_service`
  const way = `${address} . ${place}`
  return {
    bridges: 'type ifname',
    internal: 'type ifname',
    isolated: 'type ifname',
    unprotected: 'type ifname',
    clamped: 'type ifname',
    routed: 'type ifname',
    within: 'type ifname . ifname',
    own: `type ${address} . ifname; flags interval`,
    masqueraded: `type ${address}; flags interval`,
    'source-address': `type ${address} : ${address}; flags interval`,
    publish: `type inet_proto . inet_service : ${address} . inet_service`,
    'publish-address': `type ${place} : ${address} . inet_service`,
    'publish-limited': `type ${way} : ${address} . inet_service; flags interval`,
    'publish-limited-interface': `type ifname . ${way} : ${address} . inet_service; flags interval`,
    'publish-range': `type ${way} : ${address}; flags interval`,
    'publish-range-interface': `type ifname . ${way} : ${address}; flags interval`,
    open: `type ${place}`,
    'open-limited': `type ${way}; flags interval`,
    'open-limited-interface': `type ifname . ${way}; flags interval`,
    restricted: 'type ifname . ether_addr',
    allowed: `type ifname . ether_addr . ${address}`,
    'allowed-subnet': `type ifname . ether_addr . ${address}; flags interval`,
    'allowed-service': `type ifname . ether_addr . ${place}`,
    'allowed-subnet-service': `type ifname . ether_addr . ${place}; flags interval`,
    ...(family === 4 ? { loopback: `type ${place}`, 'loopback-range': `type ${place}; flags interval` } : {}),
  }
}

/** An element as nft writes and prints it. */
function formatElement({ key, data, comment }: Element): string {
  return `${key} comment "${comment}"${data === undefined ? '' : ` : ${data}`}`
}

/** The elements of the rules by set or map, for those that get any; one that several rules want is there once. */
export function elementsBySet(rules: readonly Rule[]): Map<string, string[]> {
  return collect(rules, formatElement)
}

/** Their keys alone. */
export function keysBySet(rules: readonly Rule[]): Map<string, string[]> {
  return collect(rules, ({ key }) => key)
}

function collect(rules: readonly Rule[], format: (element: Element) => string): Map<string, string[]> {
  const sets = new Map<string, Set<string>>()
  for (const rule of rules) {
    for (const element of elementsOf(rule)) {
      const texts = sets.get(element.set)
      if (texts === undefined) sets.set(element.set, new Set([format(element)]))
      else texts.add(format(element))
    }
  }
  return new Map([...sets].map(([set, texts]) => [set, [...texts]]))
}

function elementsOf(rule: Rule): Element[] {
  switch (rule.kind) {
    case 'bridge':
      return bridgeElements(rule)
    case 'egress':
      return [{ set: 'restricted', key: senderKey(rule), comment: ownerComment(rule.owner) }]
    case 'allow':
      return [allowElement(rule)]
    case 'publish':
      return rule.mode === 'dnat' ? [...publishElements(rule), ...loopbackElements(rule)] : openElements(rule)
  }
}

function senderKey({ interface: name, mac }: EgressRule | AllowRule): string {
  return `"${name}" . ${mac}`
}

/** Single addresses, which come and go with names' answers, are elements of a hash. */
function allowElement(rule: AllowRule): Element {
  const { owner, destination, protocol, port } = rule
  const [single = ''] = destination.split(wholeLength[rule.family])
  const subnet = single === destination ? '-subnet' : ''
  const service = protocol === '' ? '' : ` . ${protocol} . ${port}`
  return {
    set: `allowed${subnet}${protocol === '' ? '' : '-service'}`,
    key: `${senderKey(rule)} . ${single}${service}`,
    comment: ownerComment(owner),
  }
}

/** The prefix length that makes a subnet of a single address. */
const wholeLength: Readonly<Record<Family, RegExp>> = { 4: /\/32$/, 6: /\/128$/ }

function bridgeElements(rule: BridgeRule): Element[] {
  const { subnet, mode, internal } = rule
  const comment = ownerComment(rule.owner)
  const name = `"${rule.interface}"`
  const elements: Element[] = [
    { set: 'bridges', key: name, comment },
    { set: 'within', key: `${name} . ${name}`, comment },
  ]
  if (mode === 'isolated') elements.push({ set: 'isolated', key: name, comment })
  else elements.push({ set: 'own', key: `${subnet} . ${name}`, comment })
  if (internal || mode === 'isolated') return [...elements, { set: 'internal', key: name, comment }]
  if (mode === 'nat-unprotected') elements.push({ set: 'unprotected', key: name, comment })
  if (mode === 'routed') elements.push({ set: 'routed', key: name, comment })
  if (rule.clampMss) elements.push({ set: 'clamped', key: name, comment })
  return [...elements, ...sourceElements(rule)]
}

/** Under which address packets leave the network. */
function sourceElements({ owner, subnet, mode, masquerade, snatAddress }: BridgeRule): Element[] {
  if (!masquerade || mode === 'routed' || mode === 'isolated') return []
  const comment = ownerComment(owner)
  if (snatAddress === '') return [{ set: 'masqueraded', key: subnet, comment }]
  return [{ set: 'source-address', key: subnet, data: snatAddress, comment }]
}

/**
 * A single port is one element, and so is a range whose ports keep their numbers. nftables has no way to keep an
 * offset between two ranges, so a range that changes its numbers takes one element per port.
 */
function publishElements(rule: PublishRule): Element[] {
  const { protocol, hostAddress, hostPort, count, hostInterface, sources, address, port } = rule
  const comment = ownerComment(rule.owner)
  const suffix = hostInterface === '' ? '' : '-interface'
  if (count > 1 && hostPort === port) {
    const ports = portsText(hostPort, count)
    return waysTo(rule, hostAddress).map((way) => ({
      set: `publish-range${suffix}`,
      key: `${way} . ${protocol} . ${ports}`,
      data: address,
      comment,
    }))
  }
  const isLimited = hostInterface !== '' || sources.length > 0
  const places = isLimited ? waysTo(rule, hostAddress) : [hostAddress]
  const set = isLimited ? `publish-limited${suffix}` : hostAddress === '' ? 'publish' : 'publish-address'
  return places.flatMap((place) =>
    Array.from({ length: count }, (_, index) => ({
      set,
      key: `${place === '' ? '' : `${place} . `}${protocol} . ${hostPort + index}`,
      data: `${address} . ${port + index}`,
      comment,
    })),
  )
}

/** Who comes from outside for a port of the loopback addresses is turned away, whatever the interface's sysctls say. */
function loopbackElements(rule: PublishRule): Element[] {
  const { protocol, hostAddress, hostPort, count } = rule
  if (!hostAddress.startsWith('127.')) return []
  const set = count === 1 ? 'loopback' : 'loopback-range'
  const key = `${hostAddress} . ${protocol} . ${portsText(hostPort, count)}`
  return [{ set, key, comment: ownerComment(rule.owner) }]
}

function openElements(rule: PublishRule): Element[] {
  const { protocol, count, hostInterface, sources, address, port } = rule
  const comment = ownerComment(rule.owner)
  const service = `${protocol} . ${portsText(port, count)}`
  if (count === 1 && hostInterface === '' && sources.length === 0)
    return [{ set: 'open', key: `${address} . ${service}`, comment }]
  const set = hostInterface === '' ? 'open-limited' : 'open-limited-interface'
  return waysTo(rule, address).map((way) => ({ set, key: `${way} . ${service}`, comment }))
}

/** `[interface .] source . destination`, once for each source. */
function waysTo({ family, hostInterface, sources }: PublishRule, destination: string): string[] {
  const { everyone } = words[family]
  const begin = hostInterface === '' ? '' : `"${hostInterface}" . `
  const from =
    sources.length === 0 ? [everyone] : sources.map((source) => source.replace(wholeLength[family], ''))
  return from.map((source) => `${begin}${source} . ${destination === '' ? everyone : destination}`)
}

function portsText(first: number, count: number): string {
  return count === 1 ? `${first}` : `${first}-${first + count - 1}`
}
