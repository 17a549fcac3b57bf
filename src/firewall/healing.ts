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
  /** Compares and makes good. */
  check(): Promise<void>
  readonly log: Logger
}

/** Milliseconds for a burst of changes to end. */
const SETTLE = 50
/** Milliseconds between two looks, so that somebody who fights over the rules does not take up the daemon's time. */
const PAUSE = 1000
/** Where nobody tells of changes a look takes at most this part of the time. */
const SILENT_SHARE = 0.02

/** Checks after each suspicious change, until disposed of. */
export function watchForDrift({ watch, isSuspicious, isSilent, check, log }: HealingOptions): Disposable {
  let timer: NodeJS.Timeout | null = null
  let last = -PAUSE

  function plan(delay: number): void {
    timer ??= setTimeout(() => void look(), Math.max(delay, last + PAUSE - performance.now())).unref()
  }

  async function look(): Promise<void> {
    last = performance.now()
    timer = null
    try {
      await check()
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
