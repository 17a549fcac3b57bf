/**
 * Rules that others flushed, replaced or changed are made good. The kernel tells of each change of nftables' rules, and so
 * of those of iptables-nft; of what concerns tsnet's the whole is compared with what should stand.
 */
import { errorMessage } from '../errors.ts'
import type { Logger } from '../log.ts'

/** A table, a chain, a rule, a set or its elements came, changed or went. */
export interface RulesetChange {
  /** The port of the netlink socket that asked for it. */
  readonly sender: number
  /** NFPROTO_* of the table: AF_INET, AF_INET6 or another. */
  readonly family: number
  readonly table: string
  /** The chain that it was, or in which the rule was; '' otherwise. */
  readonly chain: string
}

/** Tells of all changes of the present namespace's rules; 'lost' when some went untold. */
export type WatchRuleset = (listener: (change: RulesetChange | 'lost') => void) => Disposable

export interface HealingOptions {
  readonly watch: WatchRuleset
  /** Whether a change is somebody else's and may have touched what is tsnet's. */
  isSuspicious(change: RulesetChange): boolean
  /** Nobody tells of changes: look again and again. */
  readonly isSilent: boolean
  /** Compares and makes good; whether there was anything to make good. */
  check(): Promise<boolean>
  readonly log: Logger
}

/** Milliseconds for a burst of changes to end. */
const SETTLE = 50
/** Milliseconds between two looks. */
const PAUSE = 1000
/** After so many repairs in a row somebody fights over the rules: each further one doubles the pause, up to the longest. */
const PATIENCE = 5
const LONGEST_PAUSE = 60_000
/** Where nobody tells of changes a look takes at most this part of the time. */
const SILENT_SHARE = 0.02

/** Checks after each suspicious change, until disposed of. */
export function watchForDrift({ watch, isSuspicious, isSilent, check, log }: HealingOptions): Disposable {
  let timer: NodeJS.Timeout | null = null
  let last = -PAUSE
  let repairs = 0
  let repairedAt = -PAUSE

  function pause(): number {
    return Math.min(PAUSE * 2 ** Math.max(0, repairs - PATIENCE), LONGEST_PAUSE)
  }

  function plan(delay: number): void {
    timer ??= setTimeout(() => void look(), Math.max(delay, last + pause() - performance.now())).unref()
  }

  function noteRepair(): void {
    const now = performance.now()
    repairs = now - repairedAt < 2 * pause() + PAUSE ? repairs + 1 : 1
    repairedAt = now
  }

  async function look(): Promise<void> {
    last = performance.now()
    timer = null
    try {
      if (await check()) noteRepair()
    } catch (error) {
      log.error({ err: error }, `firewall rules could not be made good: ${errorMessage(error)}`)
      if (!isDone) plan(PAUSE)
    }
    if (isSilent && !isDone) plan((performance.now() - last) / SILENT_SHARE)
  }

  let isDone = false
  const watching = watch((change) => {
    if (change === 'lost' || isSuspicious(change)) plan(SETTLE)
  })
  if (isSilent) plan(PAUSE)
  return {
    [Symbol.dispose]: () => {
      isDone = true
      if (timer !== null) clearTimeout(timer)
      watching[Symbol.dispose]()
    },
  }
}
