/**
 * What both backends share: the rules thought to stand, differences against them, one change at a time. Batches that
 * come while a change is under way wait and then go into the kernel together.
 */
import type { Logger } from '../log.ts'
import type { Firewall } from './firewall.ts'
import { enableForwarding } from './forwarding.ts'
import { type RulesetChange, watchForDrift } from './healing.ts'
import { type Batch, checkRule, type Family, type Rule, ruleKey } from './rules.ts'

/** A way into the kernel. */
export interface Backend {
  readonly name: Firewall['backend']
  /** The kernel tells nobody when somebody changes these rules. */
  readonly isSilent: boolean
  /** Both lists are exact: nothing in `add` stands, everything in `remove` does. Throws when it finds it otherwise. */
  change(delta: Batch): Promise<void>
  replace(rules: readonly Rule[]): Promise<void>
  /** Whether what it made stands and holds exactly these rules. */
  holds(rules: readonly Rule[]): Promise<boolean>
  /** Whether that netlink socket's changes are its own. */
  hasSent(port: number): boolean
  /** Whether a change by somebody else may have touched what it made. */
  concerns(change: RulesetChange): boolean
  clear(): Promise<void>
  close(): void
}

interface Pending {
  readonly batch: Batch
  readonly settle: { readonly resolve: () => void; readonly reject: (reason: unknown) => void }
}

export function createTransactions(backend: Backend, log: Logger): Firewall {
  const standing = new Map<string, Rule>()
  const forwarded = new Set<Family>()
  let pending: Pending[] = []
  let tail: Promise<unknown> = Promise.resolve()
  let isDrainQueued = false
  let onRepair = () => {}
  let healing: Disposable | null = null

  /** Runs `body` when everything asked for before is done. */
  function enqueue<T>(body: () => Promise<T>): Promise<T> {
    const result = tail.then(body)
    tail = result.catch(() => undefined)
    return result
  }

  function forward(rules: Iterable<Rule>): void {
    for (const { family } of rules) {
      if (forwarded.has(family)) continue
      const links = enableForwarding(family)
      if (links.length > 0) {
        const text =
          'accept_ra is now 2 here: a host that forwards IPv6 would else lose the routes of its routers'
        log.info({ links }, text)
      }
      forwarded.add(family)
    }
  }

  /** One transaction for all batches. On failure the model is as before. */
  async function commit(batches: readonly Batch[]): Promise<void> {
    const delta = takeIn(standing, batches)
    if (delta.add.length + delta.remove.length === 0) return
    try {
      await changeOrReplace(delta)
      forward(delta.add)
    } catch (error) {
      takeOut(standing, delta)
      await backend
        .replace([...standing.values()])
        .catch((reason) => log.error({ err: reason }, 'undo failed'))
      throw error
    }
  }

  /** A change that does not fit what stands means that somebody else was here: then the whole is made anew. */
  async function changeOrReplace(delta: Batch): Promise<void> {
    try {
      await backend.change(delta)
    } catch (error) {
      log.warn({ err: error }, 'a firewall change failed, making all rules anew')
      await backend.replace([...standing.values()])
      onRepair()
    }
  }

  async function makeGood(): Promise<boolean> {
    const rules = [...standing.values()]
    if (await backend.holds(rules)) return false
    await backend.replace(rules)
    log.warn({ rules: rules.length }, 'firewall rules were changed by somebody else and have been made anew')
    onRepair()
    return true
  }

  async function settle(members: readonly Pending[]): Promise<void> {
    try {
      await commit(members.map(({ batch }) => batch))
      for (const member of members) member.settle.resolve()
    } catch (error) {
      if (members.length === 1) return members[0]!.settle.reject(error)
      for (const member of members) await settle([member])
    }
  }

  async function drain(): Promise<void> {
    isDrainQueued = false
    const members = pending
    pending = []
    await settle(members)
  }

  return {
    backend: backend.name,
    async apply(batch) {
      for (const rule of batch.add) checkRule(rule)
      await new Promise<void>((resolve, reject) => {
        pending.push({ batch, settle: { resolve, reject } })
        if (isDrainQueued) return
        isDrainQueued = true
        void enqueue(drain)
      })
    },
    replaceAll: (rules) =>
      enqueue(async () => {
        for (const rule of rules) checkRule(rule)
        await backend.replace(rules)
        standing.clear()
        for (const rule of rules) standing.set(ruleKey(rule), rule)
        forward(rules)
      }),
    clear: () =>
      enqueue(async () => {
        await backend.clear()
        standing.clear()
      }),
    heal(watch, listener) {
      onRepair = listener
      healing = watchForDrift({
        watch,
        isSuspicious: (change) => !backend.hasSent(change.sender) && backend.concerns(change),
        isSilent: backend.isSilent,
        check: () => enqueue(makeGood),
        log,
      })
    },
    close() {
      healing?.[Symbol.dispose]()
      backend.close()
    },
  }
}

/** Brings `standing` up to the batches and returns what that changes. */
function takeIn(standing: Map<string, Rule>, batches: readonly Batch[]): Batch {
  const add = new Map<string, Rule>()
  const remove = new Map<string, Rule>()
  const flip = (key: string, rule: Rule, from: Map<string, Rule>, to: Map<string, Rule>) => {
    if (!from.delete(key)) to.set(key, rule)
  }
  for (const batch of batches) {
    for (const rule of batch.remove) {
      const key = ruleKey(rule)
      if (standing.delete(key)) flip(key, rule, add, remove)
    }
    for (const rule of batch.add) {
      const key = ruleKey(rule)
      if (standing.has(key)) continue
      standing.set(key, rule)
      flip(key, rule, remove, add)
    }
  }
  return { add: [...add.values()], remove: [...remove.values()] }
}

function takeOut(standing: Map<string, Rule>, delta: Batch): void {
  for (const rule of delta.add) standing.delete(ruleKey(rule))
  for (const rule of delta.remove) standing.set(ruleKey(rule), rule)
}
