import { randomBytes } from 'node:crypto'

declare const brand: unique symbol
/** A string that only its maker may produce, so that ids of different things are not mixed up. */
export type Branded<Name extends string> = string & { readonly [brand]: Name }

export type ContainerId = Branded<'container'>
export type NetworkId = Branded<'network'>
export type EndpointId = Branded<'endpoint'>
export type ExecId = Branded<'exec'>
export type VolumeId = Branded<'volume'>
export type SnapshotId = Branded<'snapshot'>
/** `sha256:<64 hex>` of the image's config. */
export type ImageId = Branded<'image'>

/** A new random id: 64 lower-case hex digits, as Docker's. */
export function newId<T extends Branded<string>>(): T {
  return randomBytes(32).toString('hex') as T
}

/** The first 12 digits, which people and host names use. Accepts `sha256:` ids too. */
export function shortId(id: string): string {
  return (id.startsWith('sha256:') ? id.slice(7) : id).slice(0, 12)
}
