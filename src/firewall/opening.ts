/**
 * Where iptables' FORWARD drops what none of its rules accepts, an accept in another table or in the other of the two
 * iptables does not help: a packet must pass everywhere. There tsnet's bridges are let through by a chain reached from
 * FORWARD, and what may pass is left to tsnet's own rules. The policy is never changed.
 */
import { readFileSync } from 'node:fs'
import { execaSync } from 'execa'
import type { Logger } from '../log.ts'
import { AF_INET, AF_INET6 } from '../sys/constants/socket.ts'
import type { Nft } from '../sys/libnftables.ts'
import { IptablesPrograms } from './iptables-programs.ts'
import { chainName } from './iptables-ruleset.ts'
import { listOrNull } from './nftables.ts'
import { type BridgeRule, type Family, ownerComment, type Rule, ruleKey } from './rules.ts'
import type { Backend } from './transactions.ts'

/** The kernel's two iptables: programs of both may manage rules in one namespace. */
export type Variant = 'nft' | 'legacy'

const families = [4, 6] as const

/** Tables in use of the old kernel interface, which nftables does not see. */
export function legacyTables(family: Family): string {
  try {
    return readFileSync(`/proc/net/ip${family === 6 ? '6' : ''}_tables_names`, 'latin1')
  } catch {
    return ''
  }
}

/** Whether FORWARD has the policy DROP in that iptables. */
export function isForwardClosed(nft: Nft | null, variant: Variant, family: Family): boolean {
  const ip = family === 6 ? 'ip6' : 'ip'
  if (variant === 'nft') {
    const chain = nft === null ? null : listOrNull(nft, `list chain ${ip} filter FORWARD\n`)
    return /hook forward .*policy drop/.test(chain ?? '')
  }
  if (!legacyTables(family).includes('filter')) return false
  const saved = execaSync(`${ip}tables-legacy-save`, ['-t', 'filter'], { reject: false }).stdout
  return saved.includes(':FORWARD DROP')
}

export interface OpeningOptions {
  readonly nft: Nft | null
  /** Where `inner` itself has no rules. From the others an opening that a former process left is taken away. */
  readonly variants: readonly Variant[]
  readonly instance: string
  readonly log: Logger
}

/** `inner`, whose bridges are let through wherever FORWARD is closed. */
export function withOpening(inner: Backend, { nft, variants, instance, log }: OpeningOptions): Backend {
  const doorsOf = (some: readonly Variant[]) =>
    some.flatMap((variant) => families.map((family) => createDoor(variant, family, nft, instance)))
  const doors = doorsOf(variants)
  const oldDoors = doorsOf((['nft', 'legacy'] as const).filter((variant) => !variants.includes(variant)))
  const bridges = new Map<string, BridgeRule>()

  async function follow(some: readonly Door[], wanted: readonly BridgeRule[]): Promise<void> {
    for (const door of some) {
      try {
        await door.set(wanted)
      } catch (error) {
        log.warn({ err: error }, 'containers reach no other network: the FORWARD chain of iptables is closed')
      }
    }
  }

  /** What cannot be looked at, for want of a program, cannot be made good either: `follow` has said so. */
  async function areRight(): Promise<boolean> {
    try {
      for (const door of doors) if (!(await door.isRight([...bridges.values()]))) return false
    } catch (error) {
      log.debug({ err: error }, 'the FORWARD chain of iptables cannot be looked at')
    }
    return true
  }

  return {
    ...inner,
    async change(delta) {
      await inner.change(delta)
      if (![...delta.add, ...delta.remove].some(isBridge)) return
      for (const rule of delta.remove.filter(isBridge)) bridges.delete(ruleKey(rule))
      for (const rule of delta.add.filter(isBridge)) bridges.set(ruleKey(rule), rule)
      await follow(doors, [...bridges.values()])
    },
    async replace(rules) {
      await inner.replace(rules)
      bridges.clear()
      for (const rule of rules.filter(isBridge)) bridges.set(ruleKey(rule), rule)
      await follow(oldDoors, [])
      await follow(doors, [...bridges.values()])
    },
    async holds(rules) {
      return (await areRight()) && (await inner.holds(rules))
    },
    hasSent: (port) => inner.hasSent(port) || doors.some((door) => door.hasSent(port)),
    concerns: (change) => inner.concerns(change) || doors.some((door) => door.concerns(change)),
    async clear() {
      await inner.clear()
      bridges.clear()
      await follow([...oldDoors, ...doors], [])
    },
  }
}

function isBridge(rule: Rule): rule is BridgeRule {
  return rule.kind === 'bridge'
}

type Door = ReturnType<typeof createDoor>

/** The place for one family's bridges in the FORWARD of one iptables. */
function createDoor(variant: Variant, family: Family, nft: Nft | null, instance: string) {
  const programs = new IptablesPrograms(`iptables-${variant}`)
  const chain = chainName(instance, 'OPENING')
  const jump = `FORWARD -m comment --comment tsnet -j ${chain}`
  const protocol = family === 4 ? AF_INET : AF_INET6

  const wanted = (bridges: readonly BridgeRule[]): readonly string[] =>
    isForwardClosed(nft, variant, family)
      ? bridges.filter((rule) => rule.family === family).flatMap((rule) => openingLines(chain, rule))
      : []

  /** Nothing of the old interface is asked for before somebody uses it: to ask makes its tables. */
  async function standing(): Promise<readonly string[]> {
    const isUsed =
      variant === 'nft' ? nft !== null && hasChain(nft, family, chain) : legacyTables(family) !== ''
    return isUsed || isForwardClosed(nft, variant, family)
      ? (await programs.save(family, '-t', 'filter')).split('\n')
      : []
  }

  return {
    async set(bridges: readonly BridgeRule[]): Promise<void> {
      const lines = wanted(bridges)
      const saved = await standing()
      const jumps = saved.filter((line) => line === `-A ${jump}`).length
      const isThere = saved.some((line) => line.startsWith(`:${chain} `))
      if (lines.length === 0 && !isThere) return
      const moves =
        lines.length === 0
          ? [...Array<string>(jumps).fill(`-D ${jump}`), `-F ${chain}`, `-X ${chain}`]
          : [`:${chain} - [0:0]`, ...jumpMoves(jump, jumps), ...lines]
      await programs.restore(family, `*filter\n${moves.join('\n')}\nCOMMIT\n`)
    },
    async isRight(bridges: readonly BridgeRule[]): Promise<boolean> {
      const lines = wanted(bridges)
      const saved = await standing()
      const found = saved.filter((line) => line.startsWith(`-A ${chain} `) || line === `-A ${jump}`)
      const right = lines.length === 0 ? [] : [...lines, `-A ${jump}`]
      return found.toSorted().join('\n') === right.toSorted().join('\n')
    },
    hasSent: (port: number) => programs.hasStarted(port),
    concerns: (change: { readonly family: number; readonly table: string; readonly chain: string }) =>
      variant === 'nft' &&
      change.family === protocol &&
      change.table === 'filter' &&
      ['FORWARD', chain, ''].includes(change.chain),
  }
}

function jumpMoves(jump: string, count: number): string[] {
  return count === 0 ? [`-I ${jump}`] : Array<string>(count - 1).fill(`-D ${jump}`)
}

function hasChain(nft: Nft, family: Family, chain: string): boolean {
  return listOrNull(nft, `list chain ${family === 6 ? 'ip6' : 'ip'} filter ${chain}\n`) !== null
}

/** Spelled as iptables-save spells them. */
function openingLines(chain: string, rule: BridgeRule): string[] {
  const mark = `-m comment --comment "${ownerComment(rule.owner)}"`
  return ['-i', '-o'].map((way) => `-A ${chain} ${way} ${rule.interface} ${mark} -j ACCEPT`)
}
