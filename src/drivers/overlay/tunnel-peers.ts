/** What the tunnel's device is to know of the other hosts, beside what it knows. Pure. */
import { createHash } from 'node:crypto'
import type { NodeRecord } from '../../cluster/cluster.ts'
import type { WireguardDevice, WireguardPeer, WireguardPeerChange } from '../../netlink/wireguard.ts'
import { formatIp, ipFamily, isIp } from '../../values/ip.ts'
import { isKey } from './keys.ts'

/** The UDP port of encrypted packets on every host: below those that systems give to whoever asks for any, and registered to nobody. */
export const tunnelPort = 14_789

/** A host's address in the tunnel, link-local, which its name alone decides. */
export function tunnelAddress(node: string): string {
  const digest = createHash('sha256').update(`tsnet tunnel ${node}`).digest()
  return formatIp(Buffer.concat([Buffer.from('fe80000000000000', 'hex'), digest.subarray(0, 8)]))
}

/**
 * By a host's keys. The one in force has the host's address: packets to it go by that key, and those that come from it by another are dropped.
 * The next one is known before. None of a host that has no key, or cannot be reached from `self`.
 */
export function peersOf(node: NodeRecord, self: Pick<NodeRecord, 'name' | 'address'>): WireguardPeer[] {
  const isReachable = isIp(node.address) && ipFamily(node.address) === ipFamily(self.address)
  if (node.name === self.name || !isReachable) return []
  const endpoint = { address: node.address, port: tunnelPort }
  const allowed = [`${tunnelAddress(node.name)}/128`]
  return [
    { publicKey: node.publicKey, endpoint, allowed },
    { publicKey: node.nextPublicKey, endpoint, allowed: [] },
  ].filter(({ publicKey }) => isKey(publicKey))
}

/** Those of all hosts. What two have the same key for is one host that has changed its name: the later one counts. */
export function allPeers(
  nodes: Iterable<NodeRecord>,
  self: Pick<NodeRecord, 'name' | 'address'>,
): WireguardPeer[] {
  const inOrder = [...nodes].sort((one, other) => (one.joinedAt < other.joinedAt ? -1 : 1))
  const byKey = inOrder.flatMap((node) => peersOf(node, self)).map((peer) => [peer.publicKey, peer] as const)
  return [...new Map(byKey).values()]
}

export interface PeerDifference {
  readonly changes: readonly WireguardPeerChange[]
  /** How many peers were not there, were not as they should be, belonged to no host. */
  readonly gone: number
  readonly wrong: number
  readonly stale: number
}

/**
 * What makes a device's peers right. Without `isWhole` nothing is known to belong to no host. Where packets go is set right without a word:
 * the device itself follows a host whose packets come from elsewhere.
 */
export function comparePeers(
  { publicKey: own, peers }: WireguardDevice,
  wanted: readonly WireguardPeer[],
  isWhole: boolean,
): PeerDifference {
  const present = new Map(peers.map((peer) => [peer.publicKey, peer]))
  const others = wanted.filter(({ publicKey }) => publicKey !== own)
  const keys = new Set(others.map(({ publicKey }) => publicKey))
  const gone = others.filter(({ publicKey }) => !present.has(publicKey))
  const wrong = others.filter((peer) => isOther(present.get(peer.publicKey), peer))
  const moved = others.filter((peer) => isElsewhere(present.get(peer.publicKey), peer))
  const stale = isWhole ? peers.filter(({ publicKey }) => !keys.has(publicKey)) : []
  return {
    changes: [
      ...new Set([...gone, ...wrong, ...moved]),
      ...stale.map(({ publicKey }) => ({ publicKey, isGone: true as const })),
    ],
    gone: gone.length,
    wrong: wrong.length,
    stale: stale.length,
  }
}

function isOther(present: WireguardPeer | undefined, { allowed }: WireguardPeer): boolean {
  return present !== undefined && present.allowed.join() !== allowed.join()
}

function isElsewhere(present: WireguardPeer | undefined, { endpoint }: WireguardPeer): boolean {
  return (
    present !== undefined &&
    (present.endpoint?.address !== endpoint?.address || present.endpoint?.port !== endpoint?.port)
  )
}

/** What changes when a host tells other things of itself than before: new keys first, so that its address is never nobody's. */
export function changesOf(
  before: readonly WireguardPeer[],
  after: readonly WireguardPeer[],
): WireguardPeerChange[] {
  const former = new Map(before.map((peer) => [peer.publicKey, peer]))
  const kept = new Set(after.map(({ publicKey }) => publicKey))
  const given = after.filter((peer) => {
    const present = former.get(peer.publicKey)
    return present === undefined || isOther(present, peer) || isElsewhere(present, peer)
  })
  const gone = before.filter(({ publicKey }) => !kept.has(publicKey))
  return [...given, ...gone.map(({ publicKey }) => ({ publicKey, isGone: true as const }))]
}

/** For people; empty when nothing was wrong. */
export function describePeers({ gone, wrong, stale }: PeerDifference): string[] {
  const keys = (count: number): string => (count === 1 ? '1 key' : `${count} keys`)
  const was = (count: number): string => (count === 1 ? 'was' : 'were')
  return [
    ...(gone === 0 ? [] : [`${keys(gone)} of other hosts ${was(gone)} gone`]),
    ...(wrong === 0 ? [] : [`${keys(wrong)} of other hosts stood for other addresses`]),
    ...(stale === 0 ? [] : [`${keys(stale)} belonged to no host`]),
  ]
}
