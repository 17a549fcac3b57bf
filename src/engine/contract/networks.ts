/** Networks as the API sees them. `ref` is a full id, a unique prefix of one, or a name. */
import type { PoolUsage } from '../../ipam/ipam.ts'
import type {
  ContainerRecord,
  EndpointRecord,
  EndpointRequest,
  Labels,
  NetworkRecord,
  NetworkSpec,
} from '../../store/records.ts'

/** Where nothing is said of a family it is null, and as the options say, or as usual: with IPv4, without IPv6. */
export interface NetworkWish extends Omit<NetworkSpec, 'ipv4' | 'ipv6'> {
  readonly ipv4: boolean | null
  readonly ipv6: boolean | null
}

/** What is to change of a network; empty for nothing. */
export interface NetworkChange {
  readonly labelsAdd: Labels
  /** keys */
  readonly labelsRemove: readonly string[]
  /** addresses */
  readonly dnsAdd: readonly string[]
  readonly dnsRemove: readonly string[]
}

export interface Networks {
  create(wish: NetworkWish): Promise<{ network: NetworkRecord; warnings: string[] }>
  remove(ref: string): Promise<void>
  /** Removes those that nobody uses and `selected` agrees to; returns their names. Throws kind 'conflict' during another prune. */
  prune(selected: (network: NetworkRecord) => boolean): Promise<string[]>
  update(ref: string, change: NetworkChange): Promise<NetworkRecord>
  get(ref: string): NetworkRecord
  list(): readonly NetworkRecord[]
  connect(ref: string, container: string, request: EndpointRequest): Promise<void>
  disconnect(ref: string, container: string, force: boolean): Promise<void>
  /** A network's options as they count, defaults of the default network included. */
  options(ref: string): Labels
  /** The endpoints of running containers on a network. */
  endpoints(ref: string): readonly { container: ContainerRecord; endpoint: EndpointRecord }[]
  /** The use of each of its subnets, by CIDR. */
  usage(ref: string): Readonly<Record<string, PoolUsage>>
}
