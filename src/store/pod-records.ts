/** What other container runtimes have attached through tsnet as their CNI plugin. */
import type { CniResult } from '../cni/result.ts'
import type { EndpointId } from '../values/id.ts'
import type { EndpointRecord, NetworkRecord, PublishedPort } from './records.ts'

/** A network that is described by the runtime's configuration alone; by its name. */
export interface PodNetwork {
  readonly network: NetworkRecord
  /** What the configuration says that it was made from, as one text. */
  readonly settings: string
}

/** One interface in a runtime's sandbox. */
export interface PodRecord {
  readonly id: EndpointId
  readonly containerId: string
  /** The name in the configuration. */
  readonly networkName: string
  /** The path of the sandbox's namespace. */
  readonly netns: string
  readonly endpoint: EndpointRecord
  /** Whether the network is one of the daemon's own, not of the configuration. */
  readonly isEngines: boolean
  /** What the runtime was told; null for one that was cut short. */
  readonly result: CniResult | null
  readonly published: readonly PublishedPort[]
}
