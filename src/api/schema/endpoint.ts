/** How a container is connected to one network, as wanted (`EndpointSettings` in the API). */
import Type, { type Static } from 'typebox'
import { integer, optional, text, textMap, texts } from './fields.ts'

export const EndpointSettings = Type.Object({
  IPAMConfig: optional(Type.Object({ IPv4Address: text, IPv6Address: text, LinkLocalIPs: texts })),
  Links: texts,
  Aliases: texts,
  MacAddress: text,
  DriverOpts: textMap,
  GwPriority: integer,
})
export type EndpointSettings = Static<typeof EndpointSettings>

/** The same as it is, in answers. */
export interface EndpointState {
  IPAMConfig: { IPv4Address?: string; IPv6Address?: string; LinkLocalIPs?: readonly string[] } | null
  Links: readonly string[] | null
  Aliases: readonly string[] | null
  MacAddress: string
  DriverOpts: Readonly<Record<string, string>> | null
  GwPriority: number
  NetworkID: string
  EndpointID: string
  Gateway: string
  IPAddress: string
  IPPrefixLen: number
  IPv6Gateway: string
  GlobalIPv6Address: string
  GlobalIPv6PrefixLen: number
  DNSNames: readonly string[] | null
  /** tsnet's own: what the network's driver has decided by itself, of drivers that do. */
  Told?: {
    InterfaceName: string
    Routes: readonly { Destination: string; NextHop: string }[]
    Nameservers: readonly string[]
    Domain: string
    Search: readonly string[]
    Options: readonly string[]
  }
  /** tsnet's own: what a Docker plugin says of the endpoint (EndpointOperInfo); only where it says anything. */
  DriverInfo?: Readonly<Record<string, unknown>>
}
