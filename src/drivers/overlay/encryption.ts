/** Whether this host can encrypt what goes to the others. */
import { release } from 'node:os'
import { TsnetError } from '../../errors.ts'
import type { NetworkSpec } from '../../store/records.ts'
import { probeFeature } from '../../sys/features.ts'
import { TunnelKeys } from './keys.ts'

/** WireGuard for the packets, IPv6 for the addresses in the tunnel. */
const needed = ['wireguard', 'ipv6'] as const

/** This host's keys, null when it cannot encrypt. `path` is where they are kept. */
export function openTunnelKeys(path: string): TunnelKeys | null {
  return needed.every((name) => probeFeature(name).isAvailable) ? new TunnelKeys(path) : null
}

/** Throws kind 'unsupported', saying what is missing and what would bring it. */
export function requireEncryption(network: Pick<NetworkSpec, 'name'>): void {
  const missing = needed.map(probeFeature).find(({ isAvailable }) => !isAvailable)
  if (missing === undefined) return
  const { name, reason, needs } = missing
  throw new TsnetError(
    'unsupported',
    'cannot-encrypt',
    `network ${network.name} is encrypted between hosts, which this host cannot do: ${name} is not available (Linux ${release()}): ` +
      `${reason}; it needs ${needs}: load that and start the daemon again, or use a network without the option encrypted`,
  )
}
