/** Which image a name stands for. A name stands for one image at a time; an image may have many. */
import { TsnetError } from '../errors.ts'
import type { ImageRecord } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import type { ImageId } from '../values/id.ts'
import { isDigest } from './digest.ts'
import {
  familiarName,
  familiarReference,
  parseReference,
  type Reference,
  withDefaultTag,
} from './reference.ts'

const idPrefix = /^(?:sha256:)?([0-9a-f]{1,64})$/

/** Whether the text is an id of this image, or the beginning of one, rather than a name. */
export function isIdOf(id: ImageId, ref: string): boolean {
  const prefix = idPrefix.exec(ref)?.[1]
  return prefix !== undefined && id.startsWith(`sha256:${prefix}`)
}

/** Throws kind 'not-found' with Docker's text, kind 'invalid' for what can be no reference. */
export function findImage(store: Store, ref: string): ImageRecord {
  const whole = store.images.get(/^[0-9a-f]{64}$/.test(ref) ? `sha256:${ref}` : ref)
  if (whole !== undefined) return whole
  if (isDigest(ref) || /^[0-9a-f]{64}$/.test(ref)) throw notFound(ref)
  const prefix = idPrefix.exec(ref)?.[1]
  const reference =
    ref.startsWith('sha256:') && prefix !== undefined ? null : withDefaultTag(parseReference(ref))
  const named = reference === null ? undefined : imageNamed(store, reference)
  if (named !== undefined) return named
  const matches =
    prefix === undefined ? [] : [...store.images.values()].filter((image) => isIdOf(image.id, ref))
  if (matches.length === 1 && matches[0] !== undefined) return matches[0]
  throw notFound(reference === null ? ref : familiarReference(reference))
}

function notFound(ref: string): TsnetError {
  return new TsnetError('not-found', 'no-such-image', `No such image: ${ref}`)
}

/** The image with exactly this tag or, where the reference has one, digest. */
export function imageNamed(store: Store, reference: Reference): ImageRecord | undefined {
  const name = storedName(reference)
  for (const image of store.images.values()) {
    if (image.tags.includes(name) || image.digests.includes(name)) return image
  }
  return undefined
}

/** As in a record's tags or digests: a digest says all, a tag beside it nothing more. */
export function storedName(reference: Reference): string {
  if (reference.digest !== null) return `${familiarName(reference)}@${reference.digest}`
  return familiarReference(withDefaultTag(reference))
}

/** Tags and digests, in stored form. */
export type Names = Pick<ImageRecord, 'tags' | 'digests'>

function without({ tags, digests }: Names, lost: Names): Names {
  return {
    tags: tags.filter((tag) => !lost.tags.includes(tag)),
    digests: digests.filter((digest) => !lost.digests.includes(digest)),
  }
}

/** Gives names to an image and takes them from those that had them. Returns the changed record. */
export function assignNames(store: Store, id: ImageId, names: Names): ImageRecord {
  return store.transaction(() => {
    for (const image of [...store.images.values()]) {
      const rest = without(image, names)
      const loses = rest.tags.length < image.tags.length || rest.digests.length < image.digests.length
      if (image.id !== id && loses) store.images.put(image.id, { ...image, ...rest })
    }
    const image = findImage(store, id)
    const fresh = without(names, image)
    const changed = {
      ...image,
      tags: [...image.tags, ...fresh.tags],
      digests: [...image.digests, ...fresh.digests],
    }
    store.images.put(id, changed)
    return changed
  })
}
