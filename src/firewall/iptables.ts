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

  async function replace(family: Family, rules: readonly Rule[]): Promise<Made> {
    const text = renderAll(instance, family, rules, await programs.save(family))
    await programs.restore(family, text)
    const buckets = countBuckets(new Map(), family, { add: rules, remove: [] })
    const now = { buckets, chains: chainsAfter(instance, new Map(), text) }
    made.set(family, now)
    return now
  }

  async function clear(family: Family): Promise<void> {
    const text = renderClear(instance, await programs.save(family))
    made.delete(family)
    if (text !== '') await programs.restore(family, text)
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
