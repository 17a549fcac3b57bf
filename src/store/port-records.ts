/** What of a container can be reached from outside, and what it may reach there. */
export type Protocol = 'tcp' | 'udp' | 'sctp'

/** A port, or a range of `count` ports, that the user wants published. */
export interface PortBinding {
  readonly protocol: Protocol
  readonly containerPort: number
  /** '' means every address of the host, of both families. */
  readonly hostAddress: string
  /** The interface by which clients must come in, '' for any. */
  readonly hostInterface: string
  /** CIDRs of those who may use it, empty for everyone. */
  readonly sources: readonly string[]
  /** Whether the host's own rules for incoming packets decide who comes in, as for a program of the host. */
  readonly hostPolicy: '' | 'respect'
  /** The first host port, or 0 to choose free ones. */
  readonly hostPort: number
  /** The last host port to choose from when more are offered than wanted, else hostPort + count - 1 (0 with hostPort 0). */
  readonly hostPortEnd: number
  readonly count: number
}

/** A port, or a range of `count` ports, that is published now on one address of the host. */
export interface PublishedPort {
  readonly protocol: Protocol
  /** '0.0.0.0' and '::' are the wildcard addresses of their families. */
  readonly hostAddress: string
  /** The interface by which clients must come in, '' for any. */
  readonly hostInterface: string
  /** CIDRs of those who may use it, empty for everyone. */
  readonly sources: readonly string[]
  /** Whether the host's own rules for incoming packets decide who comes in, as for a program of the host. */
  readonly hostPolicy: '' | 'respect'
  readonly hostPort: number
  readonly containerPort: number
  readonly count: number
  /**
   * How packets travel: by DNAT in the kernel, through the daemon's proxy, which hides the client's address, or routed to the
   * container's own address, where no host port is taken.
   */
  readonly via: 'dnat' | 'proxy' | 'route'
}

/** What a container with an egress policy may reach: a destination, and there one port or all. */
export interface EgressEntry {
  /** A CIDR in canonical form, or a name in lower case; `*.example.com` means all names below. */
  readonly to: string
  /** '' for every protocol; `port` is 0 then */
  readonly protocol: Protocol | ''
  readonly port: number
}
