/** What the two hosts of a move say to each other, in this order. */
import type { ContainerRecord, NetworkRecord, VolumeRecord } from '../../store/records.ts'

/** In etcd, from the host that has the container. */
export interface MoveOffer {
  /** base64 */
  readonly secret: string
}

/** In etcd, from the other one. */
export interface MoveAnswer {
  /** TCP, at the address that the host advertises */
  readonly port: number
}

/** On the connection: what is to move. */
export interface Manifest {
  readonly move: string
  /** The host that has it. */
  readonly from: string
  /** As Node calls the processor. */
  readonly architecture: string
  readonly container: ContainerRecord
  /** Those of the container's endpoints. */
  readonly networks: readonly NetworkRecord[]
  readonly volumes: readonly VolumeRecord[]
  readonly images: readonly ImageOffer[]
}

export interface ImageOffer {
  readonly id: string
  /** The name that it is used by, '' for none. */
  readonly tag: string
}

/** The answer to it. */
export interface Acceptance {
  /** Why it cannot come, empty when it can. */
  readonly reasons: readonly string[]
  /** Ids of images that the host lacks. */
  readonly images: readonly string[]
}

/** Before each stream: what it is. `name` is an image's id or a volume's name, '' for what there is one of. */
export interface Part {
  readonly part: 'image' | 'root' | 'log' | 'volume'
  readonly name: string
}

/** After the last one. */
export interface Commit {
  /** As it is now, stopped. */
  readonly commit: ContainerRecord
  /** Whether it is to be started. */
  readonly start: boolean
  /** What stands in etcd if it is still the former host's to give away. */
  readonly expected: readonly (readonly [key: string, value: string | null])[]
}

/** The answer to it. Not moved means that it never will be. */
export interface Outcome {
  readonly outcome: 'moved' | 'not-moved' | 'unknown'
  readonly reason: string
}

/** And the last word. */
export interface Arrived {
  /** Why it has not been started although it was to be, '' when all is well. */
  readonly error: string
}
