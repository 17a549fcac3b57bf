/**
 * The wanted rules in the language of iptables-restore(8), tsnet's chains only. What comes first in one chain is told
 * apart by chains, so that rules may be appended and deleted in any order:
 *
 *     filter FORWARD ──▶ TSNET-FORWARD ──▶ TSNET-USER, TSNET-WITHIN, TSNET-INTERNAL, TSNET-INTO, TSNET-OUT
 *     nat PREROUTING, OUTPUT ──▶ TSNET-PUBLISH        nat POSTROUTING ──▶ TSNET-MASQUERADE
 *     raw PREROUTING ──▶ TSNET-LOOPBACK (IPv4)
 */
import { type BridgeRule, type Family, ownerComment, type PublishRule, type Rule } from './rules.ts'

export type Table = 'filter' | 'nat' | 'raw'

/** A rule without its verb: `TABLE: -A CHAIN SPEC`. */
interface Line {
  readonly table: Table
  readonly chain: string
  readonly spec: string
}

const loopback: Readonly<Record<Family, string>> = { 4: '127.0.0.0/8', 6: '::1/128' }

/** Chains of tsnet's by table; USER is made once and never touched again. */
const chains: Readonly<Record<Table, readonly string[]>> = {
  filter: ['FORWARD', 'WITHIN', 'INTERNAL', 'INTO', 'OUT'],
  nat: ['PUBLISH', 'MASQUERADE'],
  raw: ['LOOPBACK'],
}
const tables: Readonly<Record<Family, readonly Table[]>> = {
  4: ['filter', 'nat', 'raw'],
  6: ['filter', 'nat'],
}

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
  const local = '-m addrtype --dst-type LOCAL'
  const jumps: Jump[] = [
    { table: 'filter', from: 'FORWARD', match: '', to: 'FORWARD' },
    // what comes for 127.0.0.1 from outside must not be turned into something routable
    { table: 'nat', from: 'PREROUTING', match: `! -d ${loopback[family]} ${local}`, to: 'PUBLISH' },
    // answers to ::1 would have to come in by a bridge, which IPv6 forbids: a proxy serves it
    {
      table: 'nat',
      from: 'OUTPUT',
      match: family === 6 ? `! -d ${loopback[6]} ${local}` : local,
      to: 'PUBLISH',
    },
    { table: 'nat', from: 'POSTROUTING', match: '', to: 'MASQUERADE' },
  ]
  if (family === 4) jumps.push({ table: 'raw', from: 'PREROUTING', match: '', to: 'LOOPBACK' })
  return jumps
}

function bridgeLines({ owner, family, interface: name, subnet, internal, masquerade }: BridgeRule): Line[] {
  const mark = `-m comment --comment ${ownerComment(owner)}`
  const filter = (chain: string, spec: string): Line => ({ table: 'filter', chain, spec })
  const nat = (spec: string): Line => ({ table: 'nat', chain: 'MASQUERADE', spec })
  const lines = [
    filter('WITHIN', `-i ${name} -o ${name} ${mark} -j ACCEPT`),
    nat(`-s ${subnet} -o ${name} -m conntrack --ctstate DNAT ${mark} -j MASQUERADE`),
    nat(`-s ${loopback[family]} -o ${name} ${mark} -j MASQUERADE`),
  ]
  // route_localnet on a bridge opens 127.0.0.0/8 of the host to its containers: shut it again
  if (family === 4)
    lines.push({ table: 'raw', chain: 'LOOPBACK', spec: `-d ${loopback[4]} -i ${name} ${mark} -j DROP` })
  if (internal) {
    lines.push(
      filter('INTERNAL', `-i ${name} ${mark} -j DROP`),
      filter('INTERNAL', `-o ${name} ${mark} -j DROP`),
    )
    return lines
  }
  lines.push(
    filter('INTO', `-o ${name} -m conntrack --ctstate RELATED,ESTABLISHED ${mark} -j ACCEPT`),
    filter('INTO', `-o ${name} -m conntrack --ctstate DNAT ${mark} -j ACCEPT`),
    filter('INTO', `-o ${name} ${mark} -j DROP`),
    filter('OUT', `-i ${name} ${mark} -j ACCEPT`),
  )
  if (masquerade) lines.push(nat(`-s ${subnet} ! -o ${name} ${mark} -j MASQUERADE`))
  return lines
}

/** One rule for a port or a range; `/base` makes the kernel keep the offset between the two ranges. */
function publishLine(rule: PublishRule): Line {
  const { protocol, hostAddress, hostPort, count, address, port } = rule
  const host = rule.family === 6 ? `[${address}]` : address
  const last = count - 1
  const ports = count === 1 ? `${hostPort}` : `${hostPort}:${hostPort + last}`
  const target = count === 1 ? `${host}:${port}` : `${host}:${port}-${port + last}/${hostPort}`
  const place = hostAddress === '' ? '' : `-d ${hostAddress} `
  const mark = `-m comment --comment ${ownerComment(rule.owner)}`
  const spec = `${place}-p ${protocol} -m ${protocol} --dport ${ports} ${mark} -j DNAT --to-destination ${target}`
  return { table: 'nat', chain: 'PUBLISH', spec }
}

function linesOf(rules: readonly Rule[]): Line[] {
  return rules.flatMap((rule) => (rule.kind === 'bridge' ? bridgeLines(rule) : publishLine(rule)))
}

/** A difference as input of `iptables-restore --noflush`; '' when the family has no part in it. */
export function renderChange(
  instance: string,
  family: Family,
  delta: { readonly add: readonly Rule[]; readonly remove: readonly Rule[] },
): string {
  const of = (rules: readonly Rule[]) => linesOf(rules.filter((rule) => rule.family === family))
  const remove = of(delta.remove)
  const add = of(delta.add)
  return tables[family]
    .map((table) =>
      section(table, [
        ...appendOrDelete('-D', instance, table, remove),
        ...appendOrDelete('-A', instance, table, add),
      ]),
    )
    .join('')
}

/**
 * Makes tsnet's chains hold `rules` and nothing else. `saved` is what `iptables-save` prints now: from it comes which
 * jumps from the built-in chains are missing.
 */
export function renderAll(instance: string, family: Family, rules: readonly Rule[], saved: string): string {
  const lines = linesOf(rules.filter((rule) => rule.family === family))
  const present = new Set(saved.split('\n'))
  const user = chainName(instance, 'USER')
  const hasUser = saved.includes(`\n:${user} `)
  return tables[family]
    .map((table) =>
      section(table, [
        ...(table === 'filter' && !hasUser ? [`:${user} - [0:0]`] : []),
        ...chains[table].map((chain) => `:${chainName(instance, chain)} - [0:0]`),
        ...(table === 'filter' ? frameLines(instance) : []),
        ...describeJumps(family)
          .filter((jump) => jump.table === table && !present.has(jumpLine('-A', instance, jump)))
          .map((jump) => jumpLine('-I', instance, jump)),
        ...appendOrDelete('-A', instance, table, lines),
      ]),
    )
    .join('')
}

/** Takes away all chains of tsnet's that `saved` shows, with the jumps to them; a user chain with rules stays. */
export function renderClear(instance: string, family: Family, saved: string): string {
  const user = chainName(instance, 'USER')
  const isUserKept = saved.includes(`\n-A ${user} `)
  return tables[family]
    .map((table) => {
      const names = [...chains[table], ...(table === 'filter' && !isUserKept ? ['USER'] : [])]
        .map((chain) => chainName(instance, chain))
        .filter((chain) => sectionOf(saved, table).includes(`\n:${chain} `))
      const jumps = sectionOf(saved, table)
        .split('\n')
        .filter((line) => names.some((name) => line.endsWith(`-j ${name}`)) && !line.startsWith('-A TSNET-'))
      return section(table, [
        ...jumps.map((line) => line.replace('-A', '-D')),
        ...names.map((name) => `-F ${name}`),
        ...names.map((name) => `-X ${name}`),
      ])
    })
    .join('')
}

function frameLines(instance: string): string[] {
  const targets = ['USER', 'WITHIN', 'INTERNAL', 'INTO', 'OUT']
  const from = chainName(instance, 'FORWARD')
  return targets.map((to) => `-A ${from} -m comment --comment tsnet -j ${chainName(instance, to)}`)
}

/** Spelled as iptables-save spells it, so that a jump that stands is recognised. */
function jumpLine(verb: '-A' | '-I', instance: string, { from, match, to }: Jump): string {
  const condition = match === '' ? '' : `${match} `
  return `${verb} ${from} ${condition}-m comment --comment tsnet -j ${chainName(instance, to)}`
}

function appendOrDelete(verb: '-A' | '-D', instance: string, table: Table, lines: readonly Line[]): string[] {
  return lines
    .filter((line) => line.table === table)
    .map(({ chain, spec }) => `${verb} ${chainName(instance, chain)} ${spec}`)
}

function section(table: Table, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `*${table}\n${lines.join('\n')}\nCOMMIT\n`
}

/** One table's part of iptables-save's output. */
function sectionOf(saved: string, table: Table): string {
  const start = saved.indexOf(`*${table}\n`)
  return start < 0 ? '' : saved.slice(start, saved.indexOf('\nCOMMIT', start))
}
