/**
 * Images as an archive that Docker and OCI tools load: the OCI layout with the blobs as they came, and Docker's
 * manifest.json and repositories over the same files.
 */
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { type Pack, pack } from 'tar-stream'
import type { ImageRecord } from '../store/records.ts'
import type { ContentStore } from './content.ts'
import type { Depot } from './depot.ts'
import { type Digest, digestHex } from './digest.ts'
import { type Manifest, mediaTypes, parseManifest } from './manifest.ts'
import { findImage, isIdOf } from './names.ts'
import { familiarName, formatReference, parseReference } from './reference.ts'

/** An image with the names under which it was asked for. */
interface Wanted {
  readonly record: ImageRecord
  readonly tags: Set<string>
}

/** Throws kind 'not-found' before anything is written. The archive is written as it is read. */
export function saveImages(depot: Depot, refs: readonly string[]): Readable {
  const wanted = chooseImages(depot, refs)
  const archive = pack()
  const writing = depot.work(() => writeArchive(depot.content, wanted, archive))
  writing.catch((error: Error) => archive.destroy(error))
  for (const { record } of wanted) depot.announce('save', record)
  return Readable.from(archive, { objectMode: false })
}

/** A repository's name alone means all its tags, an id means the image without a name. */
function chooseImages(depot: Depot, refs: readonly string[]): readonly Wanted[] {
  const wanted = new Map<string, Wanted>()
  const add = (record: ImageRecord, tags: readonly string[]): void => {
    const known = wanted.get(record.id)?.tags ?? []
    wanted.set(record.id, { record, tags: new Set([...known, ...tags]) })
  }
  for (const ref of refs) {
    const family = repositoryMembers(depot, ref)
    for (const [record, tags] of family) add(record, tags)
    if (family.length > 0) continue
    const record = findImage(depot.store, ref)
    const isName = !isIdOf(record.id, ref) && parseReference(ref).digest === null
    add(record, isName ? [familiarTag(ref)] : [])
  }
  return [...wanted.values()]
}

function familiarTag(ref: string): string {
  const reference = parseReference(ref)
  return `${familiarName(reference)}:${reference.tag ?? 'latest'}`
}

/** The images with a tag in the repository, when the text names just a repository. */
function repositoryMembers(depot: Depot, ref: string): [ImageRecord, string[]][] {
  if (/^(?:sha256:)?[0-9a-f]{64}$/.test(ref)) return []
  const reference = parseReference(ref)
  if (reference.tag !== null || reference.digest !== null) return []
  const prefix = `${familiarName(reference)}:`
  const isMember = (tag: string): boolean => tag.startsWith(prefix) && !tag.slice(prefix.length).includes('/')
  return [...depot.store.images.values()]
    .map((record): [ImageRecord, string[]] => [record, record.tags.filter(isMember)])
    .filter(([, tags]) => tags.length > 0)
}

async function writeArchive(content: ContentStore, wanted: readonly Wanted[], archive: Pack): Promise<void> {
  const manifests = wanted.map(({ record }) => parseManifest(content.read(record.manifest as Digest)))
  const documents = {
    'oci-layout': { imageLayoutVersion: '1.0.0' },
    'index.json': indexDocument(content, wanted),
    'manifest.json': wanted.map((image, index) => dockerEntry(image, manifests[index]!)),
    repositories: repositories(wanted, manifests),
  }
  for (const [name, document] of Object.entries(documents)) {
    const bytes = Buffer.from(JSON.stringify(document))
    await writeEntry(archive, name, Readable.from([bytes]), bytes.length)
  }
  for (const name of ['blobs/', 'blobs/sha256/']) archive.entry({ name, type: 'directory', mtime: epoch })
  const digests = wanted.flatMap(({ record }, index) => [
    record.manifest as Digest,
    manifests[index]!.config.digest,
    ...manifests[index]!.layers.map((layer) => layer.digest),
  ])
  for (const digest of new Set(digests)) {
    const size = await content.size(digest)
    await writeEntry(archive, blobPath(digest), createReadStream(content.path(digest)), size)
  }
  archive.finalize()
}

/** Equal images make equal archives. */
const epoch = new Date(0)

function blobPath(digest: Digest): string {
  return `blobs/sha256/${digestHex(digest)}`
}

async function writeEntry(archive: Pack, name: string, source: Readable, size: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const sink = archive.entry({ name, size, mode: 0o644, mtime: epoch }, (error) =>
    error ? reject(error) : resolve(),
  )
  source.on('error', reject)
  source.pipe(sink as unknown as NodeJS.WritableStream)
  try {
    await promise
  } finally {
    source.destroy()
  }
}

/** One entry per name, as OCI's layout wants it; an image without a name has one as well. */
function indexDocument(content: ContentStore, wanted: readonly Wanted[]): object {
  const entries = wanted.flatMap(({ record, tags }) => {
    const bytes = content.read(record.manifest as Digest)
    const entry = { mediaType: manifestType(bytes), digest: record.manifest, size: bytes.length }
    if (tags.size === 0) return [entry]
    return [...tags].map((tag) => ({ ...entry, annotations: nameAnnotations(tag) }))
  })
  return { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: entries }
}

function manifestType(bytes: Buffer): string {
  return parseManifest(bytes).mediaType ?? mediaTypes.ociManifest
}

function nameAnnotations(tag: string): object {
  const reference = parseReference(tag)
  return {
    'io.containerd.image.name': formatReference(reference),
    'org.opencontainers.image.ref.name': reference.tag,
  }
}

function dockerEntry({ tags }: Wanted, manifest: Manifest): object {
  return {
    Config: blobPath(manifest.config.digest),
    RepoTags: tags.size === 0 ? null : [...tags],
    Layers: manifest.layers.map((layer) => blobPath(layer.digest)),
  }
}

/** repository → tag → topmost layer, which the oldest loaders read */
function repositories(wanted: readonly Wanted[], manifests: readonly Manifest[]): object {
  const byName: Record<string, Record<string, string>> = {}
  for (const [index, { tags }] of wanted.entries()) {
    const top = manifests[index]?.layers.at(-1)
    for (const tag of top === undefined ? [] : tags) {
      const reference = parseReference(tag)
      const name = familiarName(reference)
      byName[name] = { ...byName[name], [reference.tag ?? 'latest']: digestHex(top!.digest) }
    }
  }
  return byName
}
