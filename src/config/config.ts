/** The daemon's settings, read and checked. */

export interface AddressPool {
  /** CIDR from which networks are cut */
  readonly base: string
  /** prefix length of each network */
  readonly size: number
}

/** What the network `bridge` is to be; '' leaves the choice to the daemon. */
export interface DefaultNetwork {
  /** the link's name */
  readonly bridge: string
  /** address/prefix of the bridge */
  readonly bip: string
  readonly bip6: string
  /** CIDRs from which containers get their addresses */
  readonly fixedCidr: string
  readonly fixedCidr6: string
  /** addresses of another way out than the bridge */
  readonly gateway4: string
  readonly gateway6: string
  readonly ipv6: boolean
  readonly icc: boolean
  readonly masquerade: boolean
  /** where ports are published that name no address */
  readonly hostAddress: string
  /** bytes; 0 takes that of the way out */
  readonly mtu: number
}

/** How long removed volumes can be restored. */
export interface TrashLimits {
  /** milliseconds; 0 for no trash at all */
  readonly age: number
  /** The free share of the file system, 0 to 1, below which the oldest go before their time. */
  readonly space: number
}

export interface TlsFiles {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export interface Config {
  readonly dataRoot: string
  readonly execRoot: string
  /** unix:///path or tcp://address:port */
  readonly hosts: readonly string[]
  readonly tls: TlsFiles | null
  readonly network: DefaultNetwork
  /** Options of networks by the driver's name, where the user gives none. */
  readonly networkDefaults: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Empty takes the built-in pools. */
  readonly addressPools: readonly AddressPool[]
  /** Resolvers instead of the host's. */
  readonly dns: readonly string[]
  /** For containers that say nothing of it; empty takes the host's. */
  readonly dnsSearch: readonly string[]
  readonly dnsOptions: readonly string[]
  /** What `host-gateway` stands for; empty for the default bridge's addresses. */
  readonly hostGatewayIps: readonly string[]
  /** Address of the host at which containers' names are answered; '' for none. */
  readonly dnsHostListen: string
  readonly logLevel: string
  /** Where metrics are served, to whoever can reach it; null for nowhere. Port 0 takes a free one. */
  readonly metrics: { readonly host: string; readonly port: number } | null
  readonly pidfile: string
  readonly firewallBackend: 'auto' | 'iptables' | 'nftables'
  readonly initPool: number
  /** Whether who has a route to a container's address reaches its published ports there. */
  readonly directRouting: boolean
  /** Whether the daemon relays what the kernel's DNAT cannot serve. */
  readonly userlandProxy: boolean
  /** Where Docker's plugins are looked for; empty for dockerd's directories. */
  readonly pluginDirectories: readonly string[]
  readonly trash: TrashLimits
  /** A folder of operators' drivers, and further files of theirs. */
  readonly drivers: { readonly directory: string; readonly files: readonly string[] }
  /** etcd://HOST:2379,… of the cluster that the host is in, '' for none. */
  readonly cluster: string
  /** The underlay address at which other hosts reach this one, or its interface; '' for the way out's. */
  readonly advertise: string
  /** What the others call it. */
  readonly nodeName: string
  /** Where networks of CNI are described, and where its plugins' programs are. */
  readonly cni: { readonly configurations: string; readonly programs: readonly string[] }
}
