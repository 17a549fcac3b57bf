/** What is connected to what, as the API tells it. */
import type { ContainerRecord, NetworkRecord } from '../../store/records.ts'

/** The way out of a container for one family. */
export interface DefaultRoute {
  /** name */
  readonly network: string
  readonly gateway: string
  /** what made it the way out, in words */
  readonly why: string
}

/** What is connected to what. */
export interface Topology {
  /** the host's */
  readonly interfaces: readonly {
    readonly name: string
    readonly kind: string
    readonly up: boolean
    readonly mtu: number
    /** with prefix length */
    readonly addresses: readonly string[]
  }[]
  /** `link` is the host's link that stands for a network, '' for none. */
  readonly networks: readonly { readonly network: NetworkRecord; readonly link: string }[]
  readonly containers: readonly {
    readonly container: ContainerRecord
    readonly routes: { readonly v4: DefaultRoute | null; readonly v6: DefaultRoute | null }
  }[]
}
