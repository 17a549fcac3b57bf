/**
 * Images as an archive that Docker and OCI tools load: the OCI layout with the blobs as they came, and Docker's
 * manifest.json and repositories over the same files.
 */
import { createReadStream } from 'node:fs'
import { pipeline, Readable } from 'node:stream'
import { type Pack, pack } from 'tar-stream'
import type { ImageRecord } from '../store/records.ts'
import type { ContentStore } from './content.ts'
import { compressionOfFile, createDecompressor } from './decompress.ts'
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

/** An image on its way into the archive. */
interface Saved extends Wanted {
  readonly manifest: Manifest
  /** by the compressed layer's digest */
  readonly plain: ReadonlyMap<Digest, PlainCopy>
}

/** Throws kind 'not-found' before anything is written. The archive is written as it is read. */
export function saveImages(depot: Depot, refs: readonly string[]): Readable {
  const wanted = chooseImages(depot, refs)
  const archive = pack()
  const writing = depot.work(() => writeArchive(depot.content, wanted, archive))
  writing.catch((error: Error) => archive.destroy(error))
  // Who reads it hears of it. That nobody does any more is an error as well, and nobody's to hear.
  archive.on('error', () => {})
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
  const saved: Saved[] = []
  for (const { record, tags } of wanted) {
    const manifest = parseManifest(content.read(record.manifest as Digest))
    saved.push({ record, tags, manifest, plain: await plainCopies(content, record, manifest) })
  }
  const documents = {
    'oci-layout': { imageLayoutVersion: '1.0.0' },
    'index.json': indexDocument(content, saved),
    'manifest.json': saved.map(dockerEntry),
    repositories: repositories(saved),
  }
  for (const [name, document] of Object.entries(documents)) {
    const bytes = Buffer.from(JSON.stringify(document))
    await writeEntry(archive, name, Readable.from([bytes]), bytes.length)
  }
  for (const name of ['blobs/', 'blobs/sha256/']) archive.entry({ name, type: 'directory', mtime: epoch })
  for (const [digest, file] of new Map(saved.flatMap((image) => blobFiles(content, image)))) {
    await writeEntry(archive, blobPath(digest), file.open(), await file.size())
  }
  archive.finalize()
}

interface BlobFile {
  readonly open: () => Readable
  readonly size: () => Promise<number>
}

function blobFiles(content: ContentStore, { record, manifest, plain }: Saved): [Digest, BlobFile][] {
  const digests = [
    record.manifest as Digest,
    manifest.config.digest,
    ...manifest.layers.map((layer) => layer.digest),
  ]
  const stored = digests.map((digest): [Digest, BlobFile] => [
    digest,
    { open: () => createReadStream(content.path(digest)), size: () => content.size(digest) },
  ])
  return [...stored, ...[...plain.values()].map((copy): [Digest, BlobFile] => [copy.digest, copy])]
}

/** A layer without its compression. */
interface PlainCopy extends BlobFile {
  readonly digest: Digest
}

/** Layers that Docker's loader, older than zstd, could not read: manifest.json names a plain copy instead. */
async function plainCopies(
  content: ContentStore,
  record: ImageRecord,
  manifest: Manifest,
): Promise<ReadonlyMap<Digest, PlainCopy>> {
  const copies = new Map<Digest, PlainCopy>()
  for (const [index, { digest }] of manifest.layers.entries()) {
    const path = content.path(digest)
    if ((await compressionOfFile(path)) !== 'zstd') continue
    // Whoever reads it hears of failures; here they only have to close both ends.
    const open = (): Readable => pipeline(createReadStream(path), createDecompressor('zstd'), () => {})
    copies.set(digest, { digest: record.diffIds[index] as Digest, open, size: () => countBytes(open()) })
  }
  return copies
}

/** A tar entry's size stands before its content, so that a stream must be read twice. */
async function countBytes(stream: Readable): Promise<number> {
  let size = 0
  for await (const chunk of stream as AsyncIterable<Buffer>) size += chunk.length
  return size
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
  sink.on('error', reject)
  source.pipe(sink as unknown as NodeJS.WritableStream)
  try {
    await promise
  } finally {
    source.destroy()
  }
}

/** One entry per name, as OCI's layout wants it; an image without a name has one as well. */
function indexDocument(content: ContentStore, saved: readonly Saved[]): object {
  const entries = saved.flatMap(({ record, tags }) => {
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

function dockerEntry({ tags, manifest, plain }: Saved): object {
  return {
    Config: blobPath(manifest.config.digest),
    RepoTags: tags.size === 0 ? null : [...tags],
    Layers: manifest.layers.map((layer) => blobPath(plain.get(layer.digest)?.digest ?? layer.digest)),
  }
}

/** repository → tag → topmost layer, which the oldest loaders read */
function repositories(saved: readonly Saved[]): object {
  const byName: Record<string, Record<string, string>> = {}
  for (const { tags, manifest } of saved) {
    const top = manifest.layers.at(-1)
    for (const tag of top === undefined ? [] : tags) {
      const reference = parseReference(tag)
      const name = familiarName(reference)
      byName[name] = { ...byName[name], [reference.tag ?? 'latest']: digestHex(top!.digest) }
    }
  }
  return byName
}
