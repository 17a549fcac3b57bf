/** The wanted rules as data. Drivers and ports make them, a backend renders them, nobody else knows iptables or nft. */
import { isIP } from 'node:net'
import { TsnetError } from '../errors.ts'
import type { Protocol } from '../store/records.ts'

export type Family = 4 | 6

/**
 * How a network and the outside meet: `nat` hides containers behind the host and lets only published ports in;
 * `nat-unprotected` lets everything in, also directly to a container's address; `routed` knows no translation, only the
 * container ports of `route` rules are let in, directly; `isolated` belongs to an internal network whose bridge has no
 * address, so that not even the host reaches it.
 */
export type GatewayMode = 'nat' | 'nat-unprotected' | 'routed' | 'isolated'

/** A bridge's share of the firewall: isolation, forwarding, masquerading. One per network and family. */
export interface BridgeRule {
  readonly kind: 'bridge'
  /** the network's id */
  readonly owner: string
  readonly family: Family
  readonly interface: string
  /** CIDR */
  readonly subnet: string
  /** No packet is forwarded into or out of the bridge; the host itself still reaches it. */
  readonly internal: boolean
  readonly mode: GatewayMode
  /** What leaves the network has the host's address; only in the modes with NAT. */
  readonly masquerade: boolean
  /** The host's address to masquerade with, '' for that of the interface by which a packet leaves. */
  readonly snatAddress: string
  /** TCP connections into and out of the bridge agree on segments that pass the whole way without fragments. */
  readonly clampMss: boolean
}

/**
 * A published port or range. `dnat`: host ports hostPort… are sent on to `address` at port…, `count` of them. `route`:
 * `address` is let be reached at port… from outside; host address and port mean nothing then.
 */
export interface PublishRule {
  readonly kind: 'publish'
  /** the endpoint's id */
  readonly owner: string
  readonly family: Family
  readonly mode: 'dnat' | 'route'
  readonly protocol: Protocol
  /** '' for every local address of the family */
  readonly hostAddress: string
  readonly hostPort: number
  readonly count: number
  /** The interface by which clients must come in, '' for any. */
  readonly hostInterface: string
  /** CIDRs of the clients that may use it, empty for everyone. */
  readonly sources: readonly string[]
  /** the bridge behind which the container is */
  readonly interface: string
  /** the container's address, without prefix length */
  readonly address: string
  readonly port: number
}

/**
 * A container that may not begin anything with the host, other networks and the outside. It is known by its interface's
 * hardware address, so that none of its addresses leads around the rule. What is asked of it from outside it may answer.
 */
export interface EgressRule {
  readonly kind: 'egress'
  /** the endpoint's id */
  readonly owner: string
  readonly family: Family
  /** the bridge behind which the container is */
  readonly interface: string
  /** of the container's interface, in lower case with colons */
  readonly mac: string
}

/** A destination that the container of an egress rule may reach: the address that it dials, before any translation. */
export interface AllowRule extends Omit<EgressRule, 'kind'> {
  readonly kind: 'allow'
  /** CIDR */
  readonly destination: string
  /** '' for every protocol; `port` is 0 then */
  readonly protocol: Protocol | ''
  readonly port: number
}

export type Rule = BridgeRule | PublishRule | EgressRule | AllowRule

/** Applied whole or not at all: first `remove`, then `add`. */
export interface Batch {
  readonly add: readonly Rule[]
  readonly remove: readonly Rule[]
}

/** The batch that takes `batch` back. */
export function inverse(batch: Batch): Batch {
  return { add: batch.remove, remove: batch.add }
}

/** The same text for equal rules, whatever the order of their fields. */
export function ruleKey(rule: Rule): string {
  return [rule.kind, rule.owner, rule.family, ...keyParts(rule)].join(' ')
}

function keyParts(rule: Rule): readonly unknown[] {
  switch (rule.kind) {
    case 'bridge':
      return bridgeKey(rule)
    case 'publish':
      return publishKey(rule)
    case 'egress':
      return [rule.interface, rule.mac]
    case 'allow':
      return [rule.interface, rule.mac, rule.destination, rule.protocol, rule.port]
  }
}

function bridgeKey({ interface: name, subnet, internal, mode, masquerade, snatAddress }: BridgeRule) {
  return [name, subnet, internal, mode, masquerade, snatAddress]
}

function publishKey(rule: PublishRule) {
  const { mode, protocol, hostAddress, hostPort, count, hostInterface, sources } = rule
  const place = [mode, protocol, hostAddress, hostPort, count, hostInterface, sources.join(',')]
  return [...place, rule.interface, rule.address, rule.port]
}

/**
 * Throws kind 'invalid' when a rule's addresses or names are none: nftables would look them up in the DNS, and they
 * go into both backends' languages as text.
 */
export function checkRule(rule: Rule): void {
  const refuse = (what: string, given: string) => {
    throw new TsnetError(
      'invalid',
      'firewall-rule',
      `firewall rule of ${rule.owner}: "${given}" is not ${what}`,
    )
  }
  const checkAddress = (given: string) => {
    if (isIP(given) !== rule.family) refuse(`an IPv${rule.family} address`, given)
  }
  const checkSubnet = (given: string) => {
    if (!isSubnet(given, rule.family)) refuse(`an IPv${rule.family} subnet`, given)
  }
  const checkName = (given: string) => {
    // at the end + stands for many names to iptables, and * to nft
    if (!/^[^\s"/]{0,14}[^\s"/+*]$/.test(given)) refuse('an interface name', given)
  }
  checkName(rule.interface)
  if (rule.kind === 'bridge') {
    checkSubnet(rule.subnet)
    if (rule.snatAddress !== '') checkAddress(rule.snatAddress)
    return
  }
  if (rule.kind !== 'publish') {
    if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(rule.mac)) refuse('a hardware address', rule.mac)
    if (rule.kind === 'allow') checkSubnet(rule.destination)
    return
  }
  checkAddress(rule.address)
  if (rule.hostAddress !== '') checkAddress(rule.hostAddress)
  if (rule.hostInterface !== '') checkName(rule.hostInterface)
  for (const source of rule.sources) checkSubnet(source)
  for (const first of rule.mode === 'dnat' ? [rule.hostPort, rule.port] : [rule.port]) {
    if (first < 1 || first + rule.count - 1 > 65_535)
      refuse('a range of ports', `${first}, ${rule.count} of them`)
  }
}

function isSubnet(text: string, family: Family): boolean {
  const [network = '', length = '', ...rest] = text.split('/')
  const longest = family === 4 ? 32 : 128
  return (
    isIP(network) === family && /^\d{1,3}$/.test(length) && Number(length) <= longest && rest.length === 0
  )
}

/** `tsnet:` and the owner's short id: by this mark in the kernel, what is tsnet's is found without the store. */
export function ownerComment(owner: string): string {
  return `tsnet:${owner.slice(0, 12)}`
}
