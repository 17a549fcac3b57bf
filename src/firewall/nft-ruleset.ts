/**
 * The wanted rules in the language of nft(8). One table per family; every network and port is an element of a set or
 * map, so that a packet's way and a change's cost do not grow with their number:
 *
 *     prerouting, output (nat)  to a local address ──▶ publish: dnat by map
 *     prerouting (raw)          from outside to loopback, from an isolated bridge to the host: drop
 *     input                     from a restricted container to the host: egress
 *     forward                   user ──▶ clamped: smaller segments ──▶ within a bridge: accept ──▶ from a restricted container: egress
 *                               ──▶ internal: drop
 *                               ──▶ into a bridge: inbound ──▶ out of a bridge: accept
 *     inbound                   established, dnat, open port: accept ──▶ from another bridge: drop
 *                               ──▶ into an unprotected bridge: accept, else drop
 *     egress                    established, to an allowed destination: go on, else drop
 *     postrouting (nat)         loopback and hairpin into a bridge, and what leaves a bridge's subnet: masquerade or snat
 */
import { declareSets, elementsBySet, keysBySet, words } from './nft-elements.ts'
import type { Family, Rule } from './rules.ts'

interface Chain {
  readonly hook?: string
  readonly rules: readonly string[]
}

/** Chains by name, without `user`, whose rules are not tsnet's. */
function describeChains(family: Family): Readonly<Record<string, Chain>> {
  const { table: ip, loopback, echoRequest, dialled } = words[family]
  const place = `${ip} daddr . meta l4proto . th dport`
  const way = `${ip} saddr . ${place}`
  const withPorts = 'meta l4proto { tcp, udp, sctp }'
  const beside = family === 6 ? `ip6 daddr != ${loopback} ` : ''
  const restricted = 'iifname . ether saddr @restricted jump egress'
  const flow = `iifname . ether saddr . ${dialled}`
  const service = `${withPorts} ${flow} . meta l4proto . ct original proto-dst`
  return {
    inbound: {
      rules: [
        'ct state established,related accept',
        'ct status dnat accept',
        `${place} @open accept`,
        `${way} @open-limited accept`,
        `iifname . ${way} @open-limited-interface accept`,
        `oifname @routed ${echoRequest} accept`,
        'iifname @bridges drop',
        'oifname @unprotected accept',
        'drop',
      ],
    },
    egress: {
      rules: [
        'ct state established,related return',
        // without neighbours there is no IPv6 at all; what is forwarded has a smaller hop limit
        ...(family === 6
          ? [
              'ip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } return',
            ]
          : []),
        `${flow} @allowed return`,
        `${flow} @allowed-subnet return`,
        `${service} @allowed-service return`,
        `${service} @allowed-subnet-service return`,
        'counter drop',
      ],
    },
    input: {
      hook: 'type filter hook input priority filter; policy accept',
      rules: [restricted],
    },
    forward: {
      hook: 'type filter hook forward priority filter; policy accept',
      rules: [
        'jump user',
        ...['iifname', 'oifname'].map(
          (side) => `${side} @clamped tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu`,
        ),
        'iifname . oifname @within accept',
        restricted,
        'iifname @internal drop',
        'oifname @internal drop',
        'oifname @bridges jump inbound',
        'iifname @bridges accept',
      ],
    },
    // route_localnet on a bridge opens 127.0.0.0/8 of the host to its containers: shut it again
    guard: {
      hook: 'type filter hook prerouting priority raw; policy accept',
      rules: [
        `iifname @bridges ${ip} daddr ${loopback} drop`,
        ...(family === 4
          ? ['loopback', 'loopback-range'].map(
              (set) => `iifname != "lo" ip daddr ${loopback} ${place} @${set} drop`,
            )
          : []),
        'iifname @isolated fib daddr type local drop',
      ],
    },
    publish: {
      rules: [
        `dnat ${ip} to meta l4proto . th dport map @publish`,
        `dnat ${ip} to ${place} map @publish-address`,
        // nft wants to see a protocol with ports before longer keys than the two above
        `${withPorts} dnat ${ip} to ${way} map @publish-limited`,
        `${withPorts} dnat ${ip} to iifname . ${way} map @publish-limited-interface`,
        `dnat to ${way} map @publish-range`,
        `dnat to iifname . ${way} map @publish-range-interface`,
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
      rules: [
        `${beside}fib daddr type local jump publish`,
        // what the host sends to itself comes in nowhere: ports at the interface lo
        `${beside}${withPorts} dnat ${ip} to oifname . ${way} map @publish-limited-interface`,
        `${beside}dnat to oifname . ${way} map @publish-range-interface`,
      ],
    },
    postrouting: {
      hook: 'type nat hook postrouting priority srcnat; policy accept',
      rules: [
        `oifname @bridges ${ip} saddr ${loopback} masquerade`,
        `${ip} saddr . oifname @own ct status dnat masquerade`,
        `${ip} saddr . oifname @own return`,
        // published ports show containers of other networks as they are: their answers come back by the host
        'oifname @bridges ct status dnat return',
        `snat to ${ip} saddr map @source-address`,
        `${ip} saddr @masqueraded masquerade`,
      ],
    },
  }
}

/** `add element` commands, one per set or map. */
export function addElements(table: string, family: Family, rules: readonly Rule[]): string {
  return changeElements('add', table, family, elementsBySet(rules))
}

/** `delete element` commands, one per set or map; the transaction fails when one of them is gone. */
export function deleteElements(table: string, family: Family, rules: readonly Rule[]): string {
  return changeElements('delete', table, family, keysBySet(rules))
}

function changeElements(
  verb: 'add' | 'delete',
  table: string,
  family: Family,
  sets: ReadonlyMap<string, readonly string[]>,
): string {
  const place = `${words[family].table} ${table}`
  return [...sets]
    .map(([set, elements]) => `${verb} element ${place} ${set} { ${elements.join(', ')} }\n`)
    .join('')
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

/** Prints the table; fails when it does not stand. */
export function listTable(table: string, family: Family): string {
  return `list table ${words[family].table} ${table}\n`
}

/**
 * What of a table printed tersely is tsnet's own: without the chain `user`, without sets and chains that users have put beside it for
 * its rules, and without what has been counted.
 */
export function withoutUserRules(listing: string, family: Family): string {
  const own = new Set([...Object.keys(describeChains(family)), ...Object.keys(declareSets(family))])
  return listing
    .replaceAll(/^\t\S+ (\S+) \{\n(?:\t\t.*\n)*\t\}\n/gm, (block, name) => (own.has(name) ? block : ''))
    .replaceAll(/\n{2,}/g, '\n')
    .replaceAll(/counter packets \d+ bytes \d+/g, 'counter')
}

/** Whether the sets and maps of a printed table, save those of users, hold the elements of these rules and no others. */
export function hasElements(listing: string, family: Family, rules: readonly Rule[]): boolean {
  const own = declareSets(family)
  const printed = new Map<string, string>()
  for (const [, set = '', elements = ''] of listing.matchAll(
    /^\t(?:set|map) (\S+) \{[^}]*?elements = \{([^}]*)\}/gm,
  ))
    if (Object.hasOwn(own, set))
      printed.set(set, sortedText(elements.split(',').map((element) => element.trim())))
  const wanted = elementsBySet(rules.filter((rule) => rule.family === family))
  return (
    printed.size === wanted.size &&
    [...wanted].every(([set, elements]) => printed.get(set) === sortedText(elements))
  )
}

function sortedText(elements: readonly string[]): string {
  return elements.toSorted().join('\n')
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
