/**
 * `tsnet/driver`: what an operator's driver is written with. Version 1 of this surface: later versions of tsnet load drivers of
 * version 1 unchanged. A driver is a module whose default export is made by `defineDriver`.
 */
import Type, { type Static, type TSchema } from 'typebox'
import type { IpamPart } from './ipam.ts'
import type { NetworkPart } from './network.ts'
import type { VolumePart } from './volume.ts'

export type { Awaitable, DriverContext, DriverLog, ReadonlyLabels } from './context.ts'
export { DriverError, type DriverErrorKind } from './error.ts'
export type { IpamPart, Lease, LeaseWish, Pool, PoolRequest } from './ipam.ts'
export type {
  Attached,
  Endpoint,
  EndpointIdentity,
  Network,
  NetworkPart,
  NetworkPool,
  Sandbox,
} from './network.ts'
export type { Volume, VolumePart, VolumeUsage } from './volume.ts'
export { type Static, type TSchema, Type }

/** What a file gives: one or several drivers of one name. */
export interface DriverDefinition<
  N extends TSchema = TSchema,
  E extends TSchema = TSchema,
  I extends TSchema = TSchema,
  V extends TSchema = TSchema,
> {
  /** The version of this surface that the driver is written for. */
  readonly apiVersion: 1
  /** The name that users give; without one the file's, less its ending. Lower-case letters, digits, `-` and `.`. */
  readonly name?: string
  /** One line for `tsnet driver ls`. */
  readonly description?: string
  /** Milliseconds that one call may take, 30 000 unless said otherwise; at most ten minutes. */
  readonly timeout?: number
  /**
   * 'worker': a thread for the driver alone, so that an endless loop, an exit or a leak is no harm to others. Write it in these words in
   * the driver's own file.
   */
  readonly isolation?: 'worker'
  readonly network?: NetworkPart<N, E>
  readonly ipam?: IpamPart<I>
  readonly volume?: VolumePart<V>
}

/**
 * Gives the parts of a driver the types of their own options. Nothing is done with it until the daemon loads the file.
 *
 * @example
 * export default defineDriver({
 *   apiVersion: 1,
 *   volume: {
 *     options: Type.Object({ base: Type.String({ default: '/srv' }) }),
 *     create: ({ name, options }) => makeDirectory(`${options.base}/${name}`),
 *     remove: ({ path }) => rm(path, { recursive: true, force: true }),
 *   },
 * })
 */
export function defineDriver<
  N extends TSchema = TSchema,
  E extends TSchema = TSchema,
  I extends TSchema = TSchema,
  V extends TSchema = TSchema,
>(definition: DriverDefinition<N, E, I, V>): DriverDefinition<N, E, I, V> {
  return definition
}
