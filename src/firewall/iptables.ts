import { AF_INET, AF_INET6 } from '../sys/constants/socket.ts'
import type { RulesetChange } from './healing.ts'
import type { Chains } from './iptables-chains.ts'
import type { IptablesPrograms } from './iptables-programs.ts'
import {
  type Buckets,
  chainsAfter,
  countBuckets,
  isOwnChain,
  isStanding,
  jumpsFrom,
  renderAll,
  renderChange,
  renderClear,
} from './iptables-ruleset.ts'
import type { Batch, Family, Rule } from './rules.ts'
import type { Backend } from './transactions.ts'

const families = [4, 6] as const

export interface IptablesOptions {
  readonly instance: string
  readonly programs: IptablesPrograms
  /** The kernel's old interface, which tells nobody of changes. */
  readonly isLegacy: boolean
}

/** How often rules are made from what stands before another program's haste is an error. */
const ATTEMPTS = 3

/** What stands of one family. */
interface Made {
  /** the chains that come and go */
  readonly buckets: Buckets
  readonly chains: Chains
}

/** Rules in chains `TSNET-…` (`TSNET-<instance>-…`), changed by one execution of iptables-restore per family. */
export function createIptables({ instance, programs, isLegacy }: IptablesOptions): Backend {
  /** The families whose chains were made. */
  const made = new Map<Family, Made>()

  async function change(family: Family, delta: Batch): Promise<void> {
    const isConcerned = [...delta.add, ...delta.remove].some((rule) => rule.family === family)
    if (!isConcerned) return
    const before = made.get(family) ?? (await replace(family, []))
    const buckets = countBuckets(before.buckets, family, delta)
    const text = renderChange(instance, family, delta, before.buckets, buckets)
    await programs.restore(family, text)
    made.set(family, { buckets, chains: chainsAfter(instance, before.chains, text) })
  }

  /** Somebody who changes rules between the two makes them not fit each other: then it is done again with what stands now. */
  async function rewrite(family: Family, render: (saved: string) => string): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      const text = render(await programs.save(family))
      try {
        if (text !== '') await programs.restore(family, text)
        return text
      } catch (error) {
        if (attempt === ATTEMPTS) throw error
      }
    }
  }

  async function replace(family: Family, rules: readonly Rule[]): Promise<Made> {
    const text = await rewrite(family, (saved) => renderAll(instance, family, rules, saved))
    const buckets = countBuckets(new Map(), family, { add: rules, remove: [] })
    const now = { buckets, chains: chainsAfter(instance, new Map(), text) }
    made.set(family, now)
    return now
  }

  async function clear(family: Family): Promise<void> {
    made.delete(family)
    await rewrite(family, (saved) => renderClear(instance, saved))
  }

  return {
    name: 'iptables',
    isSilent: isLegacy,
    async change(delta) {
      // both end before a failure of one is reported: what comes next may undo them
      const results = await Promise.allSettled(families.map((family) => change(family, delta)))
      for (const result of results) if (result.status === 'rejected') throw result.reason
    },
    async replace(rules) {
      for (const family of families) {
        if (rules.some((rule) => rule.family === family)) await replace(family, rules)
        else await clear(family)
      }
    },
    async holds() {
      for (const [family, { chains }] of made) {
        if (!isStanding(instance, family, chains, await programs.save(family))) return false
      }
      return true
    },
    hasSent: (port) => programs.hasStarted(port),
    concerns: ({ family, table, chain }: RulesetChange) =>
      (family === AF_INET || family === AF_INET6) &&
      (chain === '' || isOwnChain(instance, chain) || jumpsFrom(table, chain)),
    async clear() {
      for (const family of families) await clear(family)
    },
    close() {},
  }
}
