/**
 * The name service inside a container's namespace: what goes to 127.0.0.11:53 reaches the sockets that the daemon
 * opened there on other ports, so that the container may bind port 53 itself. Connection tracking turns the answers
 * back.
 */
import { execa } from 'execa'
import { TsnetError } from '../errors.ts'
import type { Fd } from '../sys/fd.ts'
import { openNft } from '../sys/libnftables.ts'
import { inNetns } from '../sys/netns.ts'
import type { Firewall } from './firewall.ts'

/** The ports on 127.0.0.11 at which the name service listens inside the namespace. */
export interface DnsPorts {
  readonly udp: number
  readonly tcp: number
}

export type DnsRedirect = (netns: Fd, ports: DnsPorts) => Promise<void>

/** Sends port 53 of 127.0.0.11 in a namespace to `ports`; a second call replaces the first. */
export function createDnsRedirect(backend: Firewall['backend']): DnsRedirect {
  return backend === 'nftables' ? redirectByNftables : redirectByIptables
}

const NFT_TABLE = 'tsnet-dns'

function nftChain({ udp, tcp }: DnsPorts): string {
  return `table ip ${NFT_TABLE} {
  chain output {
    type nat hook output priority -100
    ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:${udp}
    ip daddr 127.0.0.11 tcp dport 53 dnat to 127.0.0.11:${tcp}
  }
}
`
}

/**
 * Where an earlier daemon's redirect leads, null when there is none or it cannot be asked for cheaply. To listen there again costs
 * nothing, to replace the rules a grace period for each namespace.
 */
export function findDnsRedirect(backend: Firewall['backend'], netns: Fd): DnsPorts | null {
  if (backend !== 'nftables') return null
  try {
    return inNetns(netns, () => {
      using nft = openNft()
      return nft === null ? null : parsePorts(nft.run(`list table ip ${NFT_TABLE}`))
    })
  } catch {
    return null
  }
}

function parsePorts(table: string): DnsPorts | null {
  const portOf = (protocol: string): number =>
    Number(new RegExp(`${protocol} dport 53 dnat to 127\\.0\\.0\\.11:(\\d+)`).exec(table)?.[1] ?? 0)
  const ports = { udp: portOf('udp'), tcp: portOf('tcp') }
  return ports.udp > 0 && ports.tcp > 0 ? ports : null
}

/** Removing rules makes the kernel wait for a grace period (10 ms): a new namespace has none to remove. */
async function redirectByNftables(netns: Fd, ports: DnsPorts): Promise<void> {
  inNetns(netns, () => {
    using nft = openNft()
    if (nft === null) throw new TsnetError('unavailable', 'firewall-missing', 'libnftables.so.1 is missing')
    try {
      nft.run(`create table ip ${NFT_TABLE}\n${nftChain(ports)}`)
    } catch {
      nft.run(`table ip ${NFT_TABLE}\ndelete table ip ${NFT_TABLE}\n${nftChain(ports)}`)
    }
  })
}

const IPTABLES_CHAIN = 'TSNET-DNS'

function iptablesRules({ udp, tcp }: DnsPorts): string {
  const line = (protocol: string, port: number) =>
    `-A ${IPTABLES_CHAIN} -p ${protocol} -m ${protocol} --dport 53 -j DNAT --to-destination 127.0.0.11:${port}\n`
  return line('udp', udp) + line('tcp', tcp)
}

/** `-N` fails as a whole where the chain stands; then the jump to it stands as well. */
async function redirectByIptables(netns: Fd, ports: DnsPorts): Promise<void> {
  const jump = `-A OUTPUT -d 127.0.0.11/32 -j ${IPTABLES_CHAIN}\n`
  const rules = iptablesRules(ports)
  const fresh = await restoreInside(netns, `*nat\n-N ${IPTABLES_CHAIN}\n${jump}${rules}COMMIT\n`)
  if (fresh.exitCode === 0) return
  const again = await restoreInside(netns, `*nat\n:${IPTABLES_CHAIN} - [0:0]\n${rules}COMMIT\n`)
  if (again.exitCode !== 0) {
    throw new TsnetError('internal', 'iptables', `iptables-restore in a container failed: ${again.stderr}`)
  }
}

function restoreInside(netns: Fd, input: string) {
  const path = `/proc/${process.pid}/fd/${netns.number}`
  return execa('nsenter', [`--net=${path}`, 'iptables-restore', '--noflush'], { input, reject: false })
}
