import { AF_INET, AF_INET6 } from '../sys/constants/socket.ts'
import type { Nft } from '../sys/libnftables.ts'
import {
  addElements,
  createTable,
  deleteElements,
  deleteTable,
  emptyTable,
  hasElements,
  listTable,
  listUserChain,
  replaceTable,
  withoutUserRules,
} from './nft-ruleset.ts'
import type { Batch, Family, Rule } from './rules.ts'
import type { Backend } from './transactions.ts'

const families = [4, 6] as const

/** Rules in the tables `ip tsnet` and `ip6 tsnet` (with `-instance` appended), changed in process by `nft`. */
export function createNftables(nft: Nft, instance: string): Backend {
  const table = instance === '' ? 'tsnet' : `tsnet-${instance}`
  /** The families whose tables were made, with how they are printed without elements. */
  const made = new Map<Family, string>()

  /** Removing rules makes the kernel wait for a grace period (10 ms): on fresh ground there are none to remove. */
  function make(family: Family, rules: readonly Rule[]): void {
    try {
      nft.run(createTable(table, family, rules))
    } catch {
      nft.run(replaceTable(table, family, rules))
    }
    made.set(family, printFrame(family))
  }

  function printFrame(family: Family): string {
    return withoutUserRules(nft.listTersely(listTable(table, family)), family)
  }

  function isStanding(family: Family, rules: readonly Rule[]): boolean {
    if (!made.has(family)) return true
    try {
      return (
        printFrame(family) === made.get(family) &&
        hasElements(nft.run(listTable(table, family)), family, rules)
      )
    } catch {
      return false
    }
  }

  /** The kernel's transaction spans both families. */
  function change(delta: Batch): void {
    for (const family of families) {
      if (!made.has(family) && delta.add.some((rule) => rule.family === family)) make(family, [])
    }
    const of = (rules: readonly Rule[], family: Family) => rules.filter((rule) => rule.family === family)
    nft.run(
      [
        ...families.map((family) => deleteElements(table, family, of(delta.remove, family))),
        ...families.map((family) => addElements(table, family, of(delta.add, family))),
      ].join(''),
    )
  }

  /** Rules of the user's keep their chain and so the table. */
  function clearFamily(family: Family): void {
    const chain = listOrNull(nft, listUserChain(table, family))
    made.delete(family)
    if (chain === null) return
    const hasRules = /chain user \{\s*\}/.test(chain) === false
    nft.run(hasRules ? emptyTable(table, family) : deleteTable(table, family))
  }

  return {
    name: 'nftables',
    isSilent: false,
    async change(delta) {
      change(delta)
    },
    async replace(rules) {
      for (const family of families) {
        const own = rules.filter((rule) => rule.family === family)
        if (own.length > 0 || hasTable(nft, table, family)) make(family, own)
      }
    },
    async holds(rules) {
      return families.every((family) => isStanding(family, rules))
    },
    hasSent: (port) => port === nft.port,
    concerns: (change) =>
      change.table === table &&
      (change.family === AF_INET || change.family === AF_INET6) &&
      change.chain !== 'user',
    async clear() {
      for (const family of families) clearFamily(family)
    },
    close: () => nft.close(),
  }
}

function hasTable(nft: Nft, table: string, family: Family): boolean {
  return listOrNull(nft, listUserChain(table, family)) !== null
}

/** What a list command prints, or null when its object does not stand. */
export function listOrNull(nft: Nft, command: string): string | null {
  try {
    return nft.run(command)
  } catch {
    return null
  }
}
