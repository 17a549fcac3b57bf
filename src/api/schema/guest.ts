/** tsnet's own: tsnet as a plugin of another engine, below /tsnet/v1/plugin. */
import Type, { type Static } from 'typebox'
import type { PortSummary } from './container.ts'
import { text } from './fields.ts'

export const GuestServe = Type.Object({ SocketDirectory: text, Name: text })
export type GuestServe = Static<typeof GuestServe>

/** What is served now. */
export interface GuestStatus {
  SocketDirectory: string
  Name: string
  Plugins: readonly { Name: string; Kinds: readonly string[] }[]
}

/** What the other engine has made through it. */
export interface GuestNetworkList {
  Networks: readonly {
    /** The other engine's, as those of endpoints. */
    Id: string
    Driver: string
    Subnets: readonly string[]
    Endpoints: readonly {
      Id: string
      /** With prefix length. */
      Addresses: readonly string[]
      Ports: readonly PortSummary[]
    }[]
  }[]
}
