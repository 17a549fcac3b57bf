import { readFileSync } from 'node:fs'
import { execaSync } from 'execa'
import { TsnetError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { type Nft, openNft } from '../sys/libnftables.ts'
import { createIptables } from './iptables.ts'
import { createNftables, listOrNull } from './nftables.ts'
import type { Batch, Rule } from './rules.ts'
import { type Backend, createTransactions } from './transactions.ts'

/** Renders rules into the kernel of the namespace the daemon runs in. */
export interface Firewall {
  readonly backend: 'iptables' | 'nftables'
  /** One transaction. Adding a rule that stands and removing one that is gone are both harmless. */
  apply(batch: Batch): Promise<void>
  /** Makes `rules` the whole of what stands, whatever a former process or somebody else left in tsnet's own tables. */
  replaceAll(rules: readonly Rule[]): Promise<void>
  /** Takes away everything of tsnet's, save a user chain that holds rules. */
  clear(): Promise<void>
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
 * library is missing or the host's own iptables rules forbid forwarding: an accept in another table does not help then,
 * one in iptables' FORWARD does. Throws kind 'unavailable' when the wanted backend is not installed.
 */
export function createFirewall({ backend, instance, log }: FirewallOptions): Firewall {
  const nft = openNft()
  const chosen = choose(backend, nft, log)
  if (chosen === 'nftables')
    return withTakeover(createNftables(nft!, instance), createIptables(instance), nft, log)
  return withTakeover(createIptables(instance), nft && createNftables(nft, instance), nft, log)
}

function choose(wanted: FirewallOptions['backend'], nft: Nft | null, log: Logger): Firewall['backend'] {
  if (wanted === 'nftables' && nft === null) throw missing('libnftables.so.1', 'libnftables1')
  if (wanted === 'iptables' && !isIptablesInstalled()) throw missing('iptables-restore', 'iptables')
  if (wanted === 'iptables') return wanted
  const isClosed = nft !== null && isForwardClosed(nft)
  const isIptablesBetter = wanted === 'auto' && (nft === null || isClosed)
  if (isIptablesBetter && isIptablesInstalled()) return 'iptables'
  if (nft === null) throw missing('libnftables.so.1', 'libnftables1')
  if (isClosed)
    log.warn('the FORWARD chain of iptables has the policy DROP: containers reach no other network')
  return 'nftables'
}

function missing(what: string, debianPackage: string): TsnetError {
  const text = `${what} is missing: install it (apt install ${debianPackage}) or choose another firewall backend`
  return new TsnetError('unavailable', 'firewall-missing', text)
}

function isIptablesInstalled(): boolean {
  return execaSync('iptables-restore', ['--version'], { reject: false }).exitCode === 0
}

/** Tables in use of the old kernel interface, which nftables does not see. */
function legacyTables(): string {
  try {
    return readFileSync('/proc/net/ip_tables_names', 'latin1')
  } catch {
    return ''
  }
}

function isForwardClosed(nft: Nft): boolean {
  const chains = ['ip', 'ip6'].map((family) => listOrNull(nft, `list chain ${family} filter FORWARD\n`) ?? '')
  if (chains.some((chain) => /hook forward .*policy drop/.test(chain))) return true
  if (!legacyTables().includes('filter')) return false
  const saved = execaSync('iptables-legacy-save', ['-t', 'filter'], { reject: false }).stdout
  return saved.includes(':FORWARD DROP')
}

/** A firewall that, when it takes everything in hand, also clears what a former process left in the other backend. */
function withTakeover(backend: Backend, other: Backend | null, nft: Nft | null, log: Logger): Firewall {
  const firewall = createTransactions(backend, log)
  return {
    ...firewall,
    async replaceAll(rules) {
      await firewall.replaceAll(rules)
      if (other?.name === 'nftables' || (nft !== null && hasIptablesRules(nft))) await other?.clear()
    },
    close() {
      firewall.close()
      nft?.close()
    },
  }
}

/** Whether iptables may hold chains of tsnet's, found out without starting it. */
function hasIptablesRules(nft: Nft): boolean {
  return (
    legacyTables() !== '' ||
    ['ip', 'ip6'].some((family) => listOrNull(nft, `list chains ${family}\n`)?.includes('chain TSNET-'))
  )
}
