/**
 * The wanted rules in the language of nft(8). One table per family; every network and port is an element of a set or
 * map, so that a packet's way and a change's cost do not grow with their number:
 *
 *     prerouting, output (nat)  to a local address ──▶ publish: dnat by map
 *     prerouting (raw)          127.0.0.0/8 from a bridge: drop
 *     forward                   user ──▶ within a bridge: accept ──▶ internal: drop
 *                               ──▶ into a bridge: established or dnat, else drop ──▶ out of a bridge: accept
 *     postrouting (nat)         loopback and hairpin into a bridge, and what leaves a bridge's subnet: masquerade
 */
import { type BridgeRule, type Family, ownerComment, type PublishRule, type Rule } from './rules.ts'

/** An element of a set (no `data`) or map of the table. */
interface Element {
  readonly set: string
  readonly key: string
  readonly data?: string
  readonly comment: string
}

interface Words {
  readonly table: string
  readonly address: string
  readonly loopback: string
}

const words: Readonly<Record<Family, Words>> = {
  4: { table: 'ip', address: 'ipv4_addr', loopback: '127.0.0.0/8' },
  6: { table: 'ip6', address: 'ipv6_addr', loopback: '::1' },
}

/** Sets and maps by name: their declarations. */
function declareSets(family: Family): Readonly<Record<string, string>> {
  const { address } = words[family]
  return {
    bridges: 'type ifname',
    internal: 'type ifname',
    within: 'type ifname . ifname',
    own: `type ${address} . ifname; flags interval`,
    masqueraded: `type ${address}; flags interval`,
    publish: `type inet_proto . inet_service : ${address} . inet_service`,
    'publish-address': `type ${address} . inet_proto . inet_service : ${address} . inet_service`,
    'publish-range': `type inet_proto . inet_service : ${address}; flags interval`,
    'publish-range-address': `type ${address} . inet_proto . inet_service : ${address}; flags interval`,
  }
}

interface Chain {
  readonly hook?: string
  readonly rules: readonly string[]
}

/** Chains by name, without `user`, whose rules are not tsnet's. */
function describeChains(family: Family): Readonly<Record<string, Chain>> {
  const { table: ip, loopback } = words[family]
  return {
    inbound: { rules: ['ct state established,related accept', 'ct status dnat accept', 'drop'] },
    forward: {
      hook: 'type filter hook forward priority filter; policy accept',
      rules: [
        'jump user',
        'iifname . oifname @within accept',
        'iifname @internal drop',
        'oifname @internal drop',
        'oifname @bridges jump inbound',
        'iifname @bridges accept',
      ],
    },
    // route_localnet on a bridge opens 127.0.0.0/8 of the host to its containers: shut it again
    loopback: {
      hook: 'type filter hook prerouting priority raw; policy accept',
      rules: [`iifname @bridges ${ip} daddr ${loopback} drop`],
    },
    publish: {
      rules: [
        `dnat ${ip} to meta l4proto . th dport map @publish`,
        `dnat ${ip} to ${ip} daddr . meta l4proto . th dport map @publish-address`,
        `dnat to meta l4proto . th dport map @publish-range`,
        `dnat to ${ip} daddr . meta l4proto . th dport map @publish-range-address`,
      ],
    },
    // what comes for 127.0.0.1 from outside must not be turned into something routable
    prerouting: {
      hook: 'type nat hook prerouting priority dstnat; policy accept',
      rules: [`${ip} daddr != ${loopback} fib daddr type local jump publish`],
    },
    // answers to ::1 would have to come in by a bridge, which IPv6 forbids: a proxy serves it
    output: {
      hook: 'type nat hook output priority -100; policy accept',
      rules: [`${family === 6 ? `ip6 daddr != ${loopback} ` : ''}fib daddr type local jump publish`],
    },
    postrouting: {
      hook: 'type nat hook postrouting priority srcnat; policy accept',
      rules: [
        `oifname @bridges ${ip} saddr ${loopback} masquerade`,
        `${ip} saddr . oifname @own ct status dnat masquerade`,
        `${ip} saddr . oifname @own return`,
        `${ip} saddr @masqueraded masquerade`,
      ],
    },
  }
}

function bridgeElements(rule: BridgeRule): Element[] {
  const comment = ownerComment(rule.owner)
  const name = `"${rule.interface}"`
  const elements: Element[] = [
    { set: 'bridges', key: name, comment },
    { set: 'within', key: `${name} . ${name}`, comment },
    { set: 'own', key: `${rule.subnet} . ${name}`, comment },
  ]
  if (rule.internal) elements.push({ set: 'internal', key: name, comment })
  else if (rule.masquerade) elements.push({ set: 'masqueraded', key: rule.subnet, comment })
  return elements
}

/**
 * A single port is one element, and so is a range whose ports keep their numbers. nftables has no way to keep an
 * offset between two ranges, so a range that changes its numbers takes one element per port.
 */
function publishElements(rule: PublishRule): Element[] {
  const comment = ownerComment(rule.owner)
  const place = rule.hostAddress === '' ? '' : `${rule.hostAddress} . `
  const suffix = rule.hostAddress === '' ? '' : '-address'
  if (rule.count > 1 && rule.hostPort === rule.port) {
    const ports = `${rule.hostPort}-${rule.hostPort + rule.count - 1}`
    const key = `${place}${rule.protocol} . ${ports}`
    return [{ set: `publish-range${suffix}`, key, data: rule.address, comment }]
  }
  return Array.from({ length: rule.count }, (_, index) => ({
    set: `publish${suffix}`,
    key: `${place}${rule.protocol} . ${rule.hostPort + index}`,
    data: `${rule.address} . ${rule.port + index}`,
    comment,
  }))
}

function elementsBySet(rules: readonly Rule[]): Map<string, Element[]> {
  const sets = new Map<string, Element[]>()
  for (const rule of rules) {
    for (const element of rule.kind === 'bridge' ? bridgeElements(rule) : publishElements(rule)) {
      const list = sets.get(element.set)
      if (list === undefined) sets.set(element.set, [element])
      else list.push(element)
    }
  }
  return sets
}

/** `add element` commands, one per set or map. */
export function addElements(table: string, family: Family, rules: readonly Rule[]): string {
  let text = ''
  for (const [set, elements] of elementsBySet(rules)) {
    const list = elements.map(
      ({ key, data, comment }) => `${key} comment "${comment}"${data === undefined ? '' : ` : ${data}`}`,
    )
    text += `add element ${words[family].table} ${table} ${set} { ${list.join(', ')} }\n`
  }
  return text
}

/** `delete element` commands, one per set or map; the transaction fails when one of them is gone. */
export function deleteElements(table: string, family: Family, rules: readonly Rule[]): string {
  let text = ''
  for (const [set, elements] of elementsBySet(rules)) {
    const keys = elements.map(({ key }) => key)
    text += `delete element ${words[family].table} ${table} ${set} { ${keys.join(', ')} }\n`
  }
  return text
}

/** The whole table with `rules` in it, for a namespace where nothing of it stands yet; else the transaction fails. */
export function createTable(table: string, family: Family, rules: readonly Rule[]): string {
  const ip = words[family].table
  return `create table ${ip} ${table}\n${declareTable(table, family)}${fillTable(table, family, rules)}`
}

/** Makes the whole table what `createTable` makes it, whatever stands; the chain `user` keeps its rules. */
export function replaceTable(table: string, family: Family, rules: readonly Rule[]): string {
  return `${declareTable(table, family)}${flushTable(table, family)}${fillTable(table, family, rules)}`
}

/** Takes away all but the chain `user`. The table must stand, though parts of it may be missing. */
export function emptyTable(table: string, family: Family): string {
  const name = `${words[family].table} ${table}`
  const chains = Object.keys(describeChains(family)).toReversed()
  const sets = Object.entries(declareSets(family))
  return [
    declareTable(table, family) + flushTable(table, family),
    ...chains.map((chain) => `delete chain ${name} ${chain}\n`),
    ...sets.map(([set, declaration]) => `delete ${setKind(declaration)} ${name} ${set}\n`),
  ].join('')
}

export function deleteTable(table: string, family: Family): string {
  return `delete table ${words[family].table} ${table}\n`
}

/** Prints the chain in which users keep rules of their own; fails when the table does not stand. */
export function listUserChain(table: string, family: Family): string {
  return `list chain ${words[family].table} ${table} user\n`
}

function setKind(declaration: string): 'map' | 'set' {
  return declaration.includes(' : ') ? 'map' : 'set'
}

function declareTable(table: string, family: Family): string {
  const sets = Object.entries(declareSets(family)).map(
    ([set, declaration]) => `  ${setKind(declaration)} ${set} { ${declaration}; }\n`,
  )
  const chains = Object.entries(describeChains(family)).map(([chain, { hook }]) =>
    hook === undefined ? `  chain ${chain} { }\n` : `  chain ${chain} { ${hook}; }\n`,
  )
  return `table ${words[family].table} ${table} {\n${sets.join('')}  chain user { }\n${chains.join('')}}\n`
}

function flushTable(table: string, family: Family): string {
  const name = `${words[family].table} ${table}`
  const chains = Object.keys(describeChains(family)).map((chain) => `flush chain ${name} ${chain}\n`)
  const sets = Object.entries(declareSets(family)).map(
    ([set, declaration]) => `flush ${setKind(declaration)} ${name} ${set}\n`,
  )
  return chains.join('') + sets.join('')
}

function fillTable(table: string, family: Family, rules: readonly Rule[]): string {
  const chains = Object.entries(describeChains(family)).map(
    ([chain, { rules: lines }]) =>
      `  chain ${chain} {\n${lines.map((line) => `    ${line}\n`).join('')}  }\n`,
  )
  const head = `table ${words[family].table} ${table} {\n${chains.join('')}}\n`
  return head + addElements(table, family, rules)
}
