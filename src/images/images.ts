/** The image part's face: each verb in a few lines, the work in the files beside it. */
import type { Readable } from 'node:stream'
import { TsnetError } from '../errors.ts'
import type { ImageId } from '../values/id.ts'
import { buildHello, isBuiltin } from './builtin.ts'
import { applyChanges } from './changes.ts'
import { Depot, type ImagesOptions } from './depot.ts'
import type { Digest } from './digest.ts'
import type { Images, ProgressSink } from './image.ts'
import { importRoot } from './import.ts'
import { loadArchive } from './load.ts'
import { parseManifest } from './manifest.ts'
import { assignNames, findImage, imageNamed, storedName } from './names.ts'
import { parsePlatform } from './platform.ts'
import { sayAll } from './progress.ts'
import { pullImage } from './pull.ts'
import { parseReference, withDefaultTag } from './reference.ts'
import { removeImage } from './remove.ts'
import { saveImages } from './save.ts'

/** What the daemon wants besides what the API does. */
export interface ManagedImages extends Images {
  /** To be called at start: removes what crashes have left, and layers and blobs that no image needs. */
  sweep(): Promise<void>
  /** Makes the built-in image when the text names it and it is not there; does nothing for other names. */
  ensureBuiltin(ref: string): Promise<void>
}

export function createImages(options: ImagesOptions): ManagedImages {
  const depot = new Depot(options)
  const { store } = depot

  const makeBuiltin = async (progress: ProgressSink): Promise<void> => {
    const record = await importRoot(depot, buildHello(), progress)
    sayAll(progress, `Status: Made ${record.tags[0] ?? record.id} on this machine`)
    depot.announce('pull', record)
  }

  return {
    get: (ref) => findImage(store, ref),
    list: () => [...store.images.values()],
    config: async (id) => {
      const manifest = parseManifest(depot.content.read(findImage(store, id).manifest as Digest))
      return JSON.parse(depot.content.read(manifest.config.digest).toString()) as unknown
    },
    pull: (ref, pull, progress) =>
      depot.work(() => (isBuiltin(ref) ? makeBuiltin(progress) : pullImage(depot, ref, pull, progress))),
    load: (archive, progress) =>
      depot.work(async () => {
        const records = await loadArchive(depot, archive, progress)
        return records.flatMap((record) => (record.tags.length > 0 ? record.tags : [record.id]))
      }),
    import: (archive, wanted) =>
      depot.work(async () => {
        const fields = applyChanges(wanted.changes)
        const tags = wanted.ref === '' ? [] : [targetTag(wanted.ref)]
        const platform = parsePlatform(wanted.platform)
        const comment = wanted.message || 'Imported from -'
        const created = new Date().toISOString()
        const image = { archive: archive as AsyncIterable<Buffer>, fields, comment, created, platform, tags }
        const record = await importRoot(depot, image, () => {})
        depot.announce('import', record)
        return record.id
      }),
    save: async (refs): Promise<Readable> => saveImages(depot, refs),
    tag: async (ref, target) => {
      const id: ImageId = findImage(store, ref).id
      depot.announce('tag', assignNames(store, id, { tags: [targetTag(target)], digests: [] }))
    },
    remove: async (ref, { force }) => {
      const removed = removeImage(depot, ref, force)
      await depot.collect()
      return removed
    },
    sweep: async () => {
      depot.noteGarbage()
      await depot.collect()
    },
    ensureBuiltin: async (ref) => {
      if (!isBuiltin(ref) || imageNamed(store, withDefaultTag(parseReference(ref))) !== undefined) return
      await depot.work(() => makeBuiltin(() => {}))
    },
  }
}

/** Throws kind 'invalid' for a name that has a digest: what it stands for is fixed. */
function targetTag(ref: string): string {
  const reference = parseReference(ref)
  if (reference.digest !== null) {
    throw new TsnetError('invalid', 'invalid-reference', 'refusing to create a tag with a digest reference')
  }
  return storedName(reference)
}
