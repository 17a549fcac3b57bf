/** What the image part's verbs work on, and the removal of what no image needs any more. */
import { join } from 'node:path'
import { errorMessage, TsnetError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { ContainerRecord, ImageRecord } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import type { ImageId } from '../values/id.ts'
import { type ContentStore, openContent } from './content.ts'
import type { Digest } from './digest.ts'
import { type Layer, type LayerStore, openLayers } from './layers.ts'
import { parseManifest } from './manifest.ts'
import { SharedWork, Slots } from './parallel.ts'

/** Docker's words: pull, load, import, save, tag, untag, delete. */
export type ImageAction = 'pull' | 'load' | 'import' | 'save' | 'tag' | 'untag' | 'delete'

export interface ImagesOptions {
  readonly store: Store
  readonly dataRoot: string
  readonly log: Logger
  readonly events?: (action: ImageAction, record: ImageRecord) => void
  /** Containers of an image, in whatever state. */
  readonly usersOf: (id: ImageId) => readonly ContainerRecord[]
}

const mostDownloads = 3

export class Depot {
  readonly store: Store
  readonly log: Logger
  readonly content: ContentStore
  readonly layers: LayerStore
  readonly announce: (action: ImageAction, record: ImageRecord) => void
  readonly usersOf: (id: ImageId) => readonly ContainerRecord[]
  readonly downloads = new SharedWork<void>()
  readonly extractions = new SharedWork<Layer>()
  readonly downloadSlots = new Slots(mostDownloads)
  readonly #dataRoot: string
  #working = 0
  #hasGarbage = false

  constructor(options: ImagesOptions) {
    this.#dataRoot = options.dataRoot
    this.store = options.store
    this.log = options.log
    this.usersOf = options.usersOf
    this.announce = options.events ?? (() => {})
    this.content = openContent(join(options.dataRoot, 'images'))
    this.layers = openLayers(join(options.dataRoot, 'layers'))
  }

  /**
   * Runs a verb that reads or adds blobs and layers. Nothing is collected meanwhile; what it leaves without a record,
   * because it failed, is collected afterwards.
   */
  async work<T>(verb: () => Promise<T>): Promise<T> {
    this.#working++
    try {
      return await verb()
    } catch (error) {
      this.#hasGarbage = true
      throw this.#explain(error)
    } finally {
      this.#working--
      await this.collect()
    }
  }

  /** A full disk is named; the system tells only of a write. */
  #explain(error: unknown): unknown {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') return error
    const message = `${this.#dataRoot} is full: no space left on device`
    return new TsnetError('unavailable', 'no-space', message, { cause: error })
  }

  /** Something may be without a record now. */
  noteGarbage(): void {
    this.#hasGarbage = true
  }

  /** Removes what no record needs, unless work is under way: then its end does. */
  async collect(): Promise<void> {
    if (this.#working > 0 || !this.#hasGarbage) return
    this.#hasGarbage = false
    const images = [...this.store.images.values()]
    try {
      this.content.retain(new Set(images.flatMap((image) => this.#blobsOf(image))))
      await this.layers.retain(new Set(images.flatMap((image) => image.layers)))
    } catch (error) {
      this.log.warn({ error: errorMessage(error) }, 'unused layers cannot be removed')
    }
  }

  #blobsOf(image: ImageRecord): Digest[] {
    const manifest = image.manifest as Digest
    if (!this.content.has(manifest)) {
      this.log.warn({ image: image.id, manifest }, 'an image has lost its manifest and cannot be saved')
      return []
    }
    const { config, layers } = parseManifest(this.content.read(manifest))
    return [manifest, config.digest, ...layers.map((layer) => layer.digest)]
  }
}
