/**
 * What the kernel cannot translate goes through the daemon: an IPv6 host address before a container that has only IPv4
 * (or the reverse), and ::1. The container sees the host as the client. An idle proxy is one descriptor.
 */
export interface ProxyTarget {
  readonly address: string
  readonly port: number
}

export interface PortProxy {
  /** Ends the connections under way too. */
  close(): void
}
