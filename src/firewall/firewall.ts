import { execaSync } from 'execa'
import { TsnetError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { type Nft, openNft } from '../sys/libnftables.ts'
import type { WatchRuleset } from './healing.ts'
import { createIptables } from './iptables.ts'
import { IptablesPrograms } from './iptables-programs.ts'
import { createNftables, listOrNull } from './nftables.ts'
import { isForwardClosed, legacyTables, type Variant, withOpening } from './opening.ts'
import type { Batch, Rule } from './rules.ts'
import { type Backend, createTransactions } from './transactions.ts'

const families = [4, 6] as const

/** Renders rules into the kernel of the namespace the daemon runs in. */
export interface Firewall {
  readonly backend: 'iptables' | 'nftables'
  /** One transaction. Adding a rule that stands and removing one that is gone are both harmless. */
  apply(batch: Batch): Promise<void>
  /** Makes `rules` the whole of what stands, whatever a former process or somebody else left in tsnet's own tables. */
  replaceAll(rules: readonly Rule[]): Promise<void>
  /** Takes away everything of tsnet's, save a user chain that holds rules. */
  clear(): Promise<void>
  /**
   * From now on makes good, within two seconds, what others do to tsnet's rules, and calls `onRepair` each time. To be
   * called once, when all rules stand.
   */
  heal(watch: WatchRuleset, onRepair: () => void): void
  close(): void
}

export interface FirewallOptions {
  readonly backend: 'auto' | 'iptables' | 'nftables'
  /** '' or up to 8 letters and digits that tell several daemons in one namespace apart. */
  readonly instance: string
  readonly log: Logger
}

/**
 * Opens the firewall of the present network namespace and changes nothing yet. `auto` takes nftables, unless its
 * library is missing or the host's own iptables rules forbid forwarding: there everything stands in their chains. Throws
 * kind 'unavailable' when the wanted backend is not installed.
 */
export function createFirewall({ backend, instance, log }: FirewallOptions): Firewall {
  const nft = openNft()
  const installed = installedIptables()
  const chosen = choose(backend, nft, installed)
  if (nft !== null) warnOfClosedChains(nft, log)
  const iptables = (): Backend =>
    createIptables({
      instance,
      programs: new IptablesPrograms('iptables'),
      isLegacy: installed === 'legacy',
    })
  if (chosen === 'nftables') {
    const inner = createNftables(nft!, instance)
    const main = withOpening(inner, { nft, variants: ['nft', 'legacy'], instance, log })
    return withTakeover(main, installed === null ? null : iptables(), nft, log)
  }
  const variants: Variant[] = installed === 'legacy' ? ['nft'] : ['legacy']
  const main = withOpening(iptables(), { nft, variants, instance, log })
  return withTakeover(main, nft && createNftables(nft, instance), nft, log)
}

function choose(
  wanted: FirewallOptions['backend'],
  nft: Nft | null,
  installed: Variant | null,
): Firewall['backend'] {
  if (wanted === 'nftables' && nft === null) throw missing('libnftables.so.1', 'libnftables1')
  if (wanted === 'iptables' && installed === null) throw missing('iptables-restore', 'iptables')
  if (wanted !== 'auto') return wanted
  const isClosed = installed !== null && families.some((family) => isForwardClosed(nft, installed, family))
  if (installed !== null && (nft === null || isClosed)) return 'iptables'
  if (nft === null) throw missing('libnftables.so.1', 'libnftables1')
  return 'nftables'
}

function missing(what: string, debianPackage: string): TsnetError {
  const text = `${what} is missing: install it (apt install ${debianPackage}) or choose another firewall backend`
  return new TsnetError('unavailable', 'firewall-missing', text)
}

/** Which of the kernel's two ways `iptables` takes here, or null when it is not installed. */
function installedIptables(): Variant | null {
  const { exitCode, stdout } = execaSync('iptables-restore', ['--version'], { reject: false })
  if (exitCode !== 0) return null
  return stdout.includes('(legacy)') ? 'legacy' : 'nft'
}

/** Other programs' chains that drop what they do not accept cannot be opened without changing them. */
function warnOfClosedChains(nft: Nft, log: Logger): void {
  let table = ''
  let chain = ''
  for (const line of nft.run('list chains\n').split('\n')) {
    table = /^table (.*) \{/.exec(line)?.[1] ?? table
    chain = /^\tchain (\S+) \{/.exec(line)?.[1] ?? chain
    if (!/hook forward .*policy drop/.test(line) || /^ip6? filter FORWARD$/.test(`${table} ${chain}`))
      continue
    log.warn(
      `chain ${chain} of the nftables table ${table} has the policy drop: containers reach no other network unless it accepts their bridges`,
    )
  }
}

/** A firewall that, when it first takes everything in hand, also clears what a former process left in the other backend. */
function withTakeover(backend: Backend, other: Backend | null, nft: Nft | null, log: Logger): Firewall {
  const firewall = createTransactions(backend, log)
  let isTaken = false
  return {
    ...firewall,
    async replaceAll(rules) {
      await firewall.replaceAll(rules)
      if (isTaken) return
      if (other?.name === 'nftables' || (nft !== null && hasIptablesRules(nft))) await other?.clear()
      isTaken = true
    },
    async clear() {
      await firewall.clear()
      isTaken = false
    },
    close() {
      firewall.close()
      nft?.close()
    },
  }
}

/** Whether iptables may hold chains of tsnet's, found out without starting it. */
function hasIptablesRules(nft: Nft): boolean {
  return families.some(
    (family) =>
      legacyTables(family) !== '' ||
      listOrNull(nft, `list chains ${family === 6 ? 'ip6' : 'ip'}\n`)?.includes('chain TSNET-'),
  )
}
