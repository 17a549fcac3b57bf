/** Networks: the bodies of create, connect and disconnect, and the answer of list and inspect. */
import Type, { type Static } from 'typebox'
import type { Labels } from '../../store/records.ts'
import { EndpointSettings } from './endpoint.ts'
import { flag, list, optional, text, textMap, texts } from './fields.ts'

export const NetworkCreate = Type.Object({
  Name: text,
  Driver: text,
  Scope: text,
  EnableIPv4: flag,
  EnableIPv6: flag,
  IPAM: optional(
    Type.Object({
      Driver: text,
      Options: textMap,
      Config: list(Type.Object({ Subnet: text, IPRange: text, Gateway: text, AuxiliaryAddresses: textMap })),
    }),
  ),
  Internal: flag,
  Attachable: flag,
  Ingress: flag,
  ConfigOnly: flag,
  ConfigFrom: optional(Type.Object({ Network: text })),
  Options: textMap,
  Labels: textMap,
  DnsServers: texts,
})
export type NetworkCreate = Static<typeof NetworkCreate>

export const NetworkConnect = Type.Object({ Container: text, EndpointConfig: optional(EndpointSettings) })
export const NetworkDisconnect = Type.Object({ Container: text, Force: flag })

export interface NetworkCreated {
  Id: string
  Warning: string
}

export interface NetworkInspect {
  Name: string
  Id: string
  Created: string
  Scope: string
  Driver: string
  EnableIPv4: boolean
  EnableIPv6: boolean
  IPAM: {
    Driver: string
    Options: Labels | null
    Config: readonly { Subnet: string; IPRange?: string; Gateway?: string; AuxiliaryAddresses?: Labels }[]
  }
  Internal: boolean
  Attachable: boolean
  Ingress: boolean
  ConfigFrom: { Network: string }
  ConfigOnly: boolean
  /** by the container's id */
  Containers: Readonly<
    Record<
      string,
      { Name: string; EndpointID: string; MacAddress: string; IPv4Address: string; IPv6Address: string }
    >
  >
  Options: Labels
  Labels: Labels
  /** tsnet's own: asked instead of the host's name servers */
  DnsServers?: readonly string[]
  /** Of a network that a cluster shares, when asked for: hosts that have endpoints on it. */
  Peers?: readonly { Name: string; IP: string }[]
  /** tsnet's own: the same hosts by name, with their containers by id */
  Hosts?: Readonly<Record<string, { Address: string; Containers: Readonly<Record<string, PeerContainer>> }>>
  /** The use of each subnet, by its CIDR; in the newest version's inspect alone. */
  Status?: { IPAM: { Subnets: Readonly<Record<string, SubnetStatus>> } }
}

export interface PeerContainer {
  Name: string
  EndpointID: string
  MacAddress: string
  IPv4Address: string
  IPv6Address: string
  DNSNames: readonly string[]
}

export interface SubnetStatus {
  IPsInUse: number
  DynamicIPsAvailable: number
}

/** tsnet's own: what is to change of a network. */
export const NetworkUpdate = Type.Object({
  LabelsAdd: textMap,
  LabelsRemove: texts,
  DnsAdd: texts,
  DnsRemove: texts,
})

export interface NetworksPruned {
  NetworksDeleted: readonly string[] | null
}
