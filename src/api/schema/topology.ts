/** tsnet's own: what is connected to what, the answer of GET /tsnet/v1/topology. */

export interface TopologyInterface {
  Name: string
  /** 'bridge', 'vlan' …; '' for loopback and hardware */
  Kind: string
  Up: boolean
  Mtu: number
  /** with prefix length */
  Addresses: readonly string[]
}

export interface TopologyNetwork {
  Id: string
  Name: string
  Driver: string
  Internal: boolean
  Subnets: readonly { Subnet: string; Gateway: string }[]
  /** the host's link that stands for it, '' for none */
  Interface: string
}

export interface TopologyRoute {
  Network: string
  Gateway: string
  /** what made it the way out */
  Why: string
}

export interface TopologyPort {
  HostIp: string
  /** the first of Count */
  HostPort: number
  ContainerPort: number
  Count: number
  Protocol: string
  /** 'dnat', 'proxy' (the client's address is hidden) or 'route' */
  Via: string
}

export interface TopologyContainer {
  Id: string
  Name: string
  State: string
  /** id of the container whose network it uses, '' for its own */
  NetworkOf: string
  Endpoints: readonly {
    Network: string
    Interface: string
    MacAddress: string
    IPv4Address: string
    IPv6Address: string
  }[]
  Ports: readonly TopologyPort[]
  DefaultRoutes: { IPv4: TopologyRoute | null; IPv6: TopologyRoute | null }
}

export interface Topology {
  Host: { Name: string; Interfaces: readonly TopologyInterface[] }
  Networks: readonly TopologyNetwork[]
  Containers: readonly TopologyContainer[]
}
