/**
 * The wanted rules as input of iptables-restore(8), tsnet's chains only. What comes first in one chain is told apart by
 * chains, so that rules may be appended and deleted in any order:
 *
 *     filter FORWARD ──▶ TSNET-FORWARD ──▶ TSNET-USER, TSNET-WITHIN, TSNET-EGRESS, TSNET-INTERNAL, TSNET-INTO, TSNET-OUT
 *                                          TSNET-INTO ──▶ TSNET-OPEN (routed), TSNET-BETWEEN (unprotected)
 *     filter INPUT ──▶ TSNET-EGRESS ──▶ TSNET-from-… (one for each restricted container)
 *     nat PREROUTING, OUTPUT ──▶ TSNET-PUBLISH        nat POSTROUTING ──▶ TSNET-MASQUERADE
 *     raw PREROUTING ──▶ TSNET-LOOPBACK (IPv4), TSNET-ISOLATED        mangle FORWARD ──▶ TSNET-CLAMP
 *
 * Ports stand in small chains below TSNET-PUBLISH, TSNET-OPEN and TSNET-LOOPBACK, each for 256 host ports or for container
 * addresses with the same last byte: a change reads and writes one of them, however many ports are published.
 */
import { areSame, type Chains, replay } from './iptables-chains.ts'
import { type Bucket, type Line, linesOf, loopback, type Table } from './iptables-lines.ts'
import type { Batch, Family, Rule } from './rules.ts'

/** Chains of tsnet's that always stand, by table; USER is made once and never touched again. */
const chains: Readonly<Record<Table, readonly string[]>> = {
  filter: ['FORWARD', 'WITHIN', 'EGRESS', 'INTERNAL', 'INTO', 'OPEN', 'BETWEEN', 'OUT'],
  nat: ['PUBLISH', 'MASQUERADE'],
  raw: ['LOOPBACK', 'ISOLATED'],
  mangle: ['CLAMP'],
}
const tables = Object.keys(chains) as Table[]

/** `TSNET-PUBLISH`, or `TSNET-abc-PUBLISH` for an instance: never longer than a chain's name may be (28). */
export function chainName(instance: string, purpose: string): string {
  return instance === '' ? `TSNET-${purpose}` : `TSNET-${instance}-${purpose}`
}

interface Jump {
  readonly table: Table
  readonly from: string
  readonly match: string
  readonly to: string
}

function describeJumps(family: Family): readonly Jump[] {
  const local = '-m addrtype --dst-type LOCAL '
  const outside = `! -d ${loopback[family]} ${local}`
  return [
    { table: 'filter', from: 'FORWARD', match: '', to: 'FORWARD' },
    { table: 'filter', from: 'INPUT', match: '', to: 'EGRESS' },
    { table: 'mangle', from: 'FORWARD', match: '', to: 'CLAMP' },
    // what comes for 127.0.0.1 from outside must not be turned into something routable
    { table: 'nat', from: 'PREROUTING', match: outside, to: 'PUBLISH' },
    // answers to ::1 would have to come in by a bridge, which IPv6 forbids: a proxy serves it
    { table: 'nat', from: 'OUTPUT', match: family === 6 ? outside : local, to: 'PUBLISH' },
    { table: 'nat', from: 'POSTROUTING', match: '', to: 'MASQUERADE' },
    { table: 'raw', from: 'PREROUTING', match: '', to: 'ISOLATED' },
    { table: 'raw', from: 'PREROUTING', match: `-d ${loopback[family]} ! -i lo `, to: 'LOOPBACK' },
  ]
}

/** How many lines stand in each of the chains that come and go, by `bucketKey`. */
export type Buckets = ReadonlyMap<string, { readonly bucket: Bucket; readonly count: number }>

const bucketKey = ({ table, purpose }: Bucket) => `${table} ${purpose}`

/** The chains with ports in them when `delta` has been made where `standing` stood. */
export function countBuckets(standing: Buckets, family: Family, delta: Batch): Buckets {
  const counts = new Map(standing)
  const move = (rules: readonly Rule[], step: 1 | -1) => {
    for (const { bucket } of linesOf(rules, family)) {
      if (bucket === undefined) continue
      const key = bucketKey(bucket)
      const count = (counts.get(key)?.count ?? 0) + step
      if (count === 0) counts.delete(key)
      else counts.set(key, { bucket, count })
    }
  }
  move(delta.remove, -1)
  move(delta.add, 1)
  return counts
}

/** A difference as input of `iptables-restore --noflush`; '' when the family has no part in it. */
export function renderChange(
  instance: string,
  family: Family,
  delta: Batch,
  before: Buckets,
  after: Buckets,
): string {
  const removed = linesOf(delta.remove, family)
  const added = linesOf(delta.add, family)
  const made = [...after].filter(([key]) => !before.has(key)).map(([, { bucket }]) => bucket)
  const gone = [...before].filter(([key]) => !after.has(key)).map(([, { bucket }]) => bucket)
  return tables
    .map((table) => {
      const mine = (item: { readonly table: Table }) => item.table === table
      const name = ({ purpose }: Bucket) => chainName(instance, purpose)
      return section(table, [
        ...made.filter(mine).map((bucket) => `:${name(bucket)} - [0:0]`),
        ...made.filter(mine).map((bucket) => `-A ${bucketJump(instance, bucket)}`),
        ...removed.filter(mine).map((line) => `-D ${lineText(instance, line)}`),
        ...added.filter(mine).map((line) => `${line.isFirst ? '-I' : '-A'} ${lineText(instance, line)}`),
        ...gone.filter(mine).map((bucket) => `-D ${bucketJump(instance, bucket)}`),
        ...gone.filter(mine).map((bucket) => `-X ${name(bucket)}`),
      ])
    })
    .join('')
}

/** What tsnet's chains should hold, save the user's: chains, and lines as iptables-save prints them. */
interface Wanted {
  readonly chains: readonly string[]
  readonly lines: readonly string[]
}

function wantedIn(table: Table, instance: string, family: Family, rules: readonly Rule[]): Wanted {
  const buckets = [...countBuckets(new Map(), family, { add: rules, remove: [] }).values()]
    .map(({ bucket }) => bucket)
    .filter((bucket) => bucket.table === table)
  const frame = table === 'filter' ? frameLines(instance) : []
  return {
    chains: [...chains[table], ...buckets.map(({ purpose }) => purpose)].map((purpose) =>
      chainName(instance, purpose),
    ),
    lines: [
      ...frame,
      ...buckets.map((bucket) => bucketJump(instance, bucket)),
      ...linesOf(rules, family)
        .filter((line) => line.table === table)
        .toSorted((a, b) => Number(b.isFirst ?? false) - Number(a.isFirst ?? false))
        .map((line) => lineText(instance, line)),
    ].map((text) => `-A ${text}`),
  }
}

/**
 * Makes tsnet's chains hold `rules` and nothing else. `saved` is what `iptables-save` prints now: from it come the jumps
 * from the built-in chains that are missing or doubled, and chains left over.
 */
export function renderAll(instance: string, family: Family, rules: readonly Rule[], saved: string): string {
  const user = chainName(instance, 'USER')
  return tables
    .map((table) => {
      const present = sectionOf(saved, table)
      const { chains: names, lines } = wantedIn(table, instance, family, rules)
      const leftOver = ownChains(instance, present).filter((name) => name !== user && !names.includes(name))
      return section(table, [
        ...(table === 'filter' && !hasChain(user, present) ? [`:${user} - [0:0]`] : []),
        ...names.map((name) => `:${name} - [0:0]`),
        ...leftOver.map((name) => `-F ${name}`),
        ...jumpChanges(table, instance, family, present),
        ...leftOver.map((name) => `-X ${name}`),
        ...lines,
      ])
    })
    .join('')
}

function hasChain(name: string, present: readonly string[]): boolean {
  return present.some((line) => line.startsWith(`:${name} `))
}

/** Jumps are to stand once each, first of all. */
function jumpChanges(table: Table, instance: string, family: Family, present: readonly string[]): string[] {
  return describeJumps(family)
    .filter((jump) => jump.table === table)
    .flatMap((jump) => {
      const text = jumpText(instance, jump)
      const count = present.filter((line) => line === `-A ${text}`).length
      return count === 0 ? [`-I ${text}`] : Array<string>(count - 1).fill(`-D ${text}`)
    })
}

/** `chains` when iptables-restore has carried out `text`. */
export function chainsAfter(instance: string, chains: Chains, text: string): Chains {
  return replay(chains, text, (name) => isOwnChain(instance, name))
}

/** Whether `saved` shows exactly these chains as tsnet's, reached by its jumps. */
export function isStanding(instance: string, family: Family, chains: Chains, saved: string): boolean {
  const isReached = tables.every((table) => {
    const present = sectionOf(saved, table)
    return (
      jumpChanges(table, instance, family, present).length === 0 &&
      (table !== 'filter' || hasChain(chainName(instance, 'USER'), present))
    )
  })
  const ours = tables.flatMap((table) => sectionOf(saved, table)).join('\n')
  return isReached && areSame(chains, chainsAfter(instance, new Map(), ours))
}

/** Takes away all chains of tsnet's that `saved` shows, with the jumps to them; a user chain with rules stays. */
export function renderClear(instance: string, saved: string): string {
  const user = chainName(instance, 'USER')
  return tables
    .map((table) => {
      const present = sectionOf(saved, table)
      const isUserKept = present.some((line) => line.startsWith(`-A ${user} `))
      const names = ownChains(instance, present).filter((name) => name !== user || !isUserKept)
      const jumps = present.filter(
        (line) => names.some((name) => line.endsWith(`-j ${name}`)) && !names.includes(chainOf(line)),
      )
      return section(table, [
        ...jumps.map((line) => line.replace('-A', '-D')),
        ...names.map((name) => `-F ${name}`),
        ...names.map((name) => `-X ${name}`),
      ])
    })
    .join('')
}

/** Chains of this instance's among the lines of one table. */
function ownChains(instance: string, present: readonly string[]): string[] {
  return present
    .flatMap((line) => /^:(\S+) /.exec(line)?.[1] ?? [])
    .filter((name) => name === chainName(instance, 'USER') || isOwnChain(instance, name))
}

const purposes = new RegExp(
  `^(?:${Object.values(chains).flat().join('|')}|(?:tcp|udp|sctp|to)-\\d+|from-[0-9a-f]{8})$`,
)

/** Whether a chain is this instance's and not the user's. */
export function isOwnChain(instance: string, name: string): boolean {
  const prefix = chainName(instance, '')
  return name.startsWith(prefix) && purposes.test(name.slice(prefix.length))
}

/** Whether tsnet's chains are reached from a chain of iptables' own. */
export function jumpsFrom(table: string, chain: string): boolean {
  return describeJumps(4).some((jump) => jump.table === table && jump.from === chain)
}

/** The chain of an `-A` line. */
function chainOf(line: string): string {
  return line.split(' ', 2)[1] ?? ''
}

function frameLines(instance: string): string[] {
  const targets = ['USER', 'WITHIN', 'EGRESS', 'INTERNAL', 'INTO', 'OUT']
  const from = chainName(instance, 'FORWARD')
  const mark = '-m comment --comment tsnet'
  return [
    ...targets.map((to) => `${from} ${mark} -j ${chainName(instance, to)}`),
    `${chainName(instance, 'EGRESS')} -m conntrack --ctstate RELATED,ESTABLISHED ${mark} -j RETURN`,
  ]
}

/** Spelled as iptables-save spells it, so that a jump that stands is recognised. */
function jumpText(instance: string, { from, match, to }: Jump): string {
  return `${from} ${match}-m comment --comment tsnet -j ${chainName(instance, to)}`
}

function bucketJump(instance: string, { parent, match, purpose }: Bucket): string {
  return `${chainName(instance, parent)} ${match} -j ${chainName(instance, purpose)}`
}

function lineText(instance: string, { purpose, spec, jump }: Line): string {
  const target = jump === undefined ? '' : ` -j ${chainName(instance, jump)}`
  return `${chainName(instance, purpose)} ${spec}${target}`
}

function section(table: Table, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `*${table}\n${lines.join('\n')}\nCOMMIT\n`
}

/** The lines of one table's part of iptables-save's output. */
function sectionOf(saved: string, table: Table): string[] {
  const start = saved.indexOf(`*${table}\n`)
  if (start < 0) return []
  const lines = saved.slice(start, saved.indexOf('\nCOMMIT', start)).split('\n')
  // not every version prints them in lower case
  return lines.map((line) => line.replace(/--mac-source \S+/, (mac) => mac.toLowerCase()))
}
