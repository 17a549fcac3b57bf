/** The contract of the image part, as the engine and the API see it. */
import type { Readable } from 'node:stream'
import type { ImageRecord } from '../store/records.ts'
import type { ImageId } from '../values/id.ts'

/** One line of a pull's or load's progress, in the terms of Docker's JSON message stream. */
export interface Progress {
  /** a layer's short id, '' for the whole */
  readonly id: string
  readonly status: string
  /** bytes done and bytes in all; 0 when not applicable */
  readonly current: number
  readonly total: number
}
export type ProgressSink = (progress: Progress) => void

export interface RegistryAuth {
  readonly username: string
  readonly password: string
  readonly identityToken: string
}

export interface Images {
  /** By familiar or full reference, digest, id or unique id prefix; 'not-found' with Docker's text. */
  get(ref: string): ImageRecord
  list(): readonly ImageRecord[]
  /** The image's config document, as stored. */
  config(id: ImageId): Promise<unknown>
  /** `platform` is `os[/architecture[/variant]]`, '' for this machine's. */
  pull(
    ref: string,
    options: { platform: string; auth: RegistryAuth | null; signal: AbortSignal },
    progress: ProgressSink,
  ): Promise<void>
  /** A `docker save` archive (Docker's or OCI layout), plain or compressed. Returns what was loaded, tags or ids. */
  load(archive: Readable, progress: ProgressSink): Promise<readonly string[]>
  /** A root file system archive becomes an image of one layer. `changes` are Dockerfile instructions. */
  import(
    archive: Readable,
    options: { ref: string; message: string; changes: readonly string[]; platform: string },
  ): Promise<ImageId>
  /** An archive as of `docker save`. */
  save(refs: readonly string[]): Promise<Readable>
  tag(ref: string, target: string): Promise<void>
  remove(ref: string, options: { force: boolean; prune: boolean }): Promise<readonly RemovedImage[]>
}

/** What a removal took away: a name, or the image itself. */
export interface RemovedImage {
  readonly untagged?: string
  readonly deleted?: string
}
