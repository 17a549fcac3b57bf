import { execa } from 'execa'
import { errorMessage, TsnetError } from '../errors.ts'
import {
  type Buckets,
  countBuckets,
  isStanding,
  renderAll,
  renderChange,
  renderClear,
} from './iptables-ruleset.ts'
import type { Batch, Family, Rule } from './rules.ts'
import type { Backend } from './transactions.ts'

const programs: Readonly<Record<Family, string>> = { 4: 'iptables', 6: 'ip6tables' }
const families = [4, 6] as const

/** Seconds to wait for another program's lock on the tables. */
const LOCK_TIMEOUT = 10

/** Rules in chains `TSNET-…` (`TSNET-<instance>-…`), changed by one execution of iptables-restore per family. */
export function createIptables(instance: string): Backend {
  /** The families whose chains were made, with those that come and go. */
  const made = new Map<Family, Buckets>()

  async function change(family: Family, delta: Batch): Promise<void> {
    const isConcerned = [...delta.add, ...delta.remove].some((rule) => rule.family === family)
    if (!isConcerned) return
    const before = made.get(family) ?? (await replace(family, []))
    const after = countBuckets(before, family, delta)
    await restore(family, renderChange(instance, family, delta, before, after))
    made.set(family, after)
  }

  async function replace(family: Family, rules: readonly Rule[]): Promise<Buckets> {
    await restore(family, renderAll(instance, family, rules, await save(family)))
    const buckets = countBuckets(new Map(), family, { add: rules, remove: [] })
    made.set(family, buckets)
    return buckets
  }

  async function clear(family: Family): Promise<void> {
    const text = renderClear(instance, await save(family))
    made.delete(family)
    if (text !== '') await restore(family, text)
  }

  return {
    name: 'iptables',
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
    async holds(rules) {
      for (const family of made.keys()) {
        if (!isStanding(instance, family, rules, await save(family))) return false
      }
      return true
    },
    async clear() {
      for (const family of families) await clear(family)
    },
    close() {},
  }
}

async function save(family: Family): Promise<string> {
  return (await run(`${programs[family]}-save`, [], '')).stdout
}

async function restore(family: Family, input: string): Promise<void> {
  await run(`${programs[family]}-restore`, ['--noflush', '--wait', `${LOCK_TIMEOUT}`], input)
}

async function run(program: string, args: readonly string[], input: string): Promise<{ stdout: string }> {
  try {
    return await execa(program, args, { input, env: { LC_ALL: 'C' }, stripFinalNewline: false })
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim()
    throw new TsnetError('internal', 'iptables', `${program} failed: ${said || errorMessage(error)}`, {
      cause: error,
    })
  }
}
