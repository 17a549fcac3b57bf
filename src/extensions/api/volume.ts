/** Volume drivers: where a volume's data is, and how containers reach it. */
import type { Static, TSchema } from 'typebox'
import type { Awaitable, DriverContext } from './context.ts'

export interface Volume<O> {
  /** Unique among all volumes of this daemon: letters, digits, `_`, `.` and `-`. */
  readonly name: string
  /** As the schema says, defaults filled in. */
  readonly options: O
  /** What `create` returned; '' before it has. */
  readonly path: string
}

export interface VolumeUsage {
  /** bytes */
  readonly used: number
  /** bytes, 0 without a limit */
  readonly limit: number
}

/**
 * Every verb is safe to repeat: a call may come again after a crash, and after one whose time was over. Calls for one volume
 * come one after the other.
 */
export interface VolumePart<S extends TSchema = TSchema> {
  /** 'global' when all hosts see the same data; 'local' unless said otherwise. */
  readonly scope?: 'local' | 'global'
  /** The options of `docker volume create --opt`, an object; their texts become numbers and booleans as it says. Without it there are none. */
  readonly options?: S
  /** Makes the data and returns the absolute path by which the volume is shown. */
  create(volume: Volume<Static<S>>, context: DriverContext): Awaitable<string>
  /** Removes the data for good, also what a failed `create` has left. Nobody uses it. */
  remove(volume: Volume<Static<S>>, context: DriverContext): Awaitable<void>
  /** Before each container that uses it: returns the absolute path to bind, the same each time. Without it that is `volume.path`. */
  mount?(volume: Volume<Static<S>>, context: DriverContext): Awaitable<string>
  /** After the last of them, and after a start of the daemon for volumes without users. */
  unmount?(volume: Volume<Static<S>>, context: DriverContext): Awaitable<void>
  /** What the data takes, for `tsnet system df`. */
  usage?(volume: Volume<Static<S>>, context: DriverContext): Awaitable<VolumeUsage>
}
