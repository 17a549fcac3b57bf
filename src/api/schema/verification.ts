/** tsnet's own: how the hosts of the cluster find a network, the answer of POST /tsnet/v1/networks/{id}/verify. */

export interface VerifiedHost {
  Name: string
  /** whether it has told in time how it finds the network */
  Answered: boolean
  /** why it has not looked, '' when it has */
  Error: string
  /** bytes; how long packets on the network may be, as the host knows it; 0 when it does not */
  Mtu: number
  /** entries for endpoints of other hosts that were put right since the host is on the network */
  Repaired: number
  /** what was just put right, in words */
  Faults: readonly string[]
}

export interface VerifiedPath {
  From: string
  To: string
  /** 'ok', 'lossy', 'mtu' (packets as long as they may be do not arrive, or longer ones do), 'unreachable', 'unknown' */
  State: string
  /** the container that was asked, and its address */
  Container: string
  Address: string
  Sent: number
  Received: number
  /** milliseconds there and back, the median; null when nothing came back */
  Latency: number | null
  /** bytes of the longest packet that arrives uncut; null when nothing came back */
  PathMtu: number | null
  /** why nothing was sent, '' when it was */
  Error: string
}

export interface NetworkVerified {
  Id: string
  Name: string
  /** why other hosts were not asked, '' when they were */
  Warning: string
  Hosts: readonly VerifiedHost[]
  Paths: readonly VerifiedPath[]
}
