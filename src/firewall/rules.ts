/** The wanted rules as data. Drivers and ports make them, a backend renders them, nobody else knows iptables or nft. */
import { isIP } from 'node:net'
import { TsnetError } from '../errors.ts'
import type { Protocol } from '../store/records.ts'

export type Family = 4 | 6

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
  readonly masquerade: boolean
}

/** A published port or range: host ports hostPort… are sent on to `address` at port…, `count` of them. */
export interface PublishRule {
  readonly kind: 'publish'
  /** the endpoint's id */
  readonly owner: string
  readonly family: Family
  readonly protocol: Protocol
  /** '' for every local address of the family */
  readonly hostAddress: string
  readonly hostPort: number
  readonly count: number
  /** the bridge behind which the container is */
  readonly interface: string
  /** the container's address, without prefix length */
  readonly address: string
  readonly port: number
}

export type Rule = BridgeRule | PublishRule

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
  const parts =
    rule.kind === 'bridge'
      ? [rule.interface, rule.subnet, rule.internal, rule.masquerade]
      : [rule.protocol, rule.hostAddress, rule.hostPort, rule.count, rule.interface, rule.address, rule.port]
  return [rule.kind, rule.owner, rule.family, ...parts].join(' ')
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
  if (!/^[^\s"/]{1,15}$/.test(rule.interface)) refuse('an interface name', rule.interface)
  const address = `an IPv${rule.family} address`
  if (rule.kind === 'bridge') {
    const [network = '', length = ''] = rule.subnet.split('/')
    if (isIP(network) !== rule.family || !/^\d{1,3}$/.test(length))
      refuse(`an IPv${rule.family} subnet`, rule.subnet)
    return
  }
  if (isIP(rule.address) !== rule.family) refuse(address, rule.address)
  if (rule.hostAddress !== '' && isIP(rule.hostAddress) !== rule.family) refuse(address, rule.hostAddress)
  for (const first of [rule.hostPort, rule.port]) {
    if (first < 1 || first + rule.count - 1 > 65_535)
      refuse('a range of ports', `${first}, ${rule.count} of them`)
  }
}

/** `tsnet:` and the owner's short id: by this mark in the kernel, what is tsnet's is found without the store. */
export function ownerComment(owner: string): string {
  return `tsnet:${owner.slice(0, 12)}`
}
