/** A container on a network. */
import type { EndpointId, NetworkId } from '../values/id.ts'
import type { Labels } from './labels.ts'

export interface EndpointRequest {
  readonly address4: string | null
  readonly address6: string | null
  readonly mac: string | null
  /** Further addresses of the interface, of either family, without prefix length. */
  readonly linkLocal: readonly string[]
  readonly aliases: readonly string[]
  /** `container:alias`: names by which this container alone finds neighbours. */
  readonly links: readonly string[]
  /** Of a container's networks that lead out, the one with the highest does; 0 unless said otherwise. */
  readonly gatewayPriority: number
  readonly options: Labels
}

export interface EndpointRecord {
  readonly id: EndpointId
  readonly network: NetworkId
  /** The name by which the user asked for the network. */
  readonly networkName: string
  readonly request: EndpointRequest
  /** The interface in the container, '' until the first attach. */
  readonly interfaceName: string
  readonly mac: string
  /** With prefix length, '10.1.0.2/24'; '' when there is none. Kept while stopped: the next start prefers it. */
  readonly address4: string
  readonly address6: string
  readonly gateway4: string
  readonly gateway6: string
  /** Every name by which other containers find it: name, short id, aliases. */
  readonly dnsNames: readonly string[]
  /** What the network's driver has decided by itself, where it is one that does. */
  readonly routes?: readonly EndpointRoute[]
  readonly dns?: EndpointDns
  readonly info?: EndpointInfo
}

/** What a driver tells of an endpoint, as it came in JSON. */
export type EndpointInfo = Readonly<Record<string, unknown>>

export interface EndpointRoute {
  /** CIDR */
  readonly destination: string
  /** '' for the network's gateway, or the link itself */
  readonly nextHop: string
}

export interface EndpointDns {
  readonly nameservers: readonly string[]
  readonly domain: string
  readonly search: readonly string[]
  readonly options: readonly string[]
}
