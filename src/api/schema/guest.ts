/** tsnet's own: tsnet as a plugin of another engine, below /tsnet/v1/plugin. */
import Type, { type Static } from 'typebox'
import { text } from './fields.ts'

export const GuestServe = Type.Object({ SocketDirectory: text, Name: text })
export type GuestServe = Static<typeof GuestServe>

/** What is served now. */
export interface GuestStatus {
  SocketDirectory: string
  Name: string
  Plugins: readonly { Name: string; Kinds: readonly string[] }[]
}
