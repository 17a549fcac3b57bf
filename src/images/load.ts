/**
 * Images from an archive: Docker's layout (manifest.json), OCI's (index.json), or both in one, as Docker 25 writes it.
 * The archive is read once, in whatever order it is; each file of it becomes a blob.
 */
import { posix } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import Type from 'typebox'
import { Value } from 'typebox/value'
import { errorMessage, TsnetError } from '../errors.ts'
import type { ImageRecord } from '../store/records.ts'
import { shortId } from '../values/id.ts'
import type { Blob } from './content.ts'
import { decompressorForStream } from './decompress.ts'
import type { Depot } from './depot.ts'
import type { Digest } from './digest.ts'
import type { ProgressSink } from './image.ts'
import { writeManifest } from './import.ts'
import { installImage } from './install.ts'
import { type Descriptor, isIndex, parseIndex, parseManifest } from './manifest.ts'
import { storedName } from './names.ts'
import { choosePlatform, hostPlatform } from './platform.ts'
import { throttle } from './progress.ts'
import { parseReference } from './reference.ts'
import { openTar } from './tar-entry.ts'

/** What an archive holds, by normalized path. */
interface Archive {
  readonly files: ReadonlyMap<string, Blob>
  readonly links: ReadonlyMap<string, string>
}

/** An image of the archive, before its layers are looked at. */
interface Found {
  readonly manifest: Digest
  readonly tags: readonly string[]
}

const dockerManifest = Type.Array(
  Type.Object({
    Config: Type.String(),
    RepoTags: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
    Layers: Type.Union([Type.Array(Type.String()), Type.Null()]),
  }),
)

const mostFiles = 100_000
const mostLinks = 8
/** bytes; documents are about as long, and not worth a line of progress */
const smallFile = 64 << 10

export async function loadArchive(
  depot: Depot,
  source: Readable,
  progress: ProgressSink,
): Promise<readonly ImageRecord[]> {
  // Whatever in the archive turns out to be no blob of an image is garbage, also when all goes well.
  depot.noteGarbage()
  const archive = await readArchive(depot, source, progress).catch((error: unknown) => {
    throw explain(error)
  })
  const found = archive.files.has('index.json')
    ? await findOci(depot, archive)
    : await findDocker(depot, archive)
  if (found.length === 0) throw refuse('archive has no image in it')
  const records: ImageRecord[] = []
  for (const image of found) records.push(await install(depot, image, progress))
  return records
}

function refuse(message: string): TsnetError {
  return new TsnetError('invalid', 'image-archive', message)
}

/** A stream's failure without a name of the system's own is the archive's fault. */
function explain(error: unknown): unknown {
  if (error instanceof TsnetError || (error as NodeJS.ErrnoException).syscall !== undefined) return error
  return refuse(`archive cannot be read: ${errorMessage(error)}`)
}

async function readArchive(depot: Depot, source: Readable, progress: ProgressSink): Promise<Archive> {
  const files = new Map<string, Blob>()
  const links = new Map<string, string>()
  const tar = openTar()
  const flow = pipeline(source, await decompressorForStream(source), tar.sink)
  flow.catch(() => {})
  for await (const { entry, body } of tar.entries()) {
    const name = posix.normalize(entry.name)
    if (files.size + links.size >= mostFiles) throw refuse(`archive has more than ${mostFiles} files`)
    if (entry.type === 'symlink') links.set(name, posix.join(posix.dirname(name), entry.target))
    else if (entry.type === 'link') links.set(name, posix.normalize(entry.target))
    else if (entry.type === 'file') {
      const isLayer = entry.size > smallFile
      const say = throttle(isLayer ? progress : () => {}, shortId(posix.basename(name)), entry.size)
      files.set(name, await depot.content.ingest(counted(body, (done) => say('Loading', done))))
    }
  }
  await flow
  return { files, links }
}

async function* counted(
  body: AsyncIterable<Buffer>,
  onBytes: (done: number) => void,
): AsyncGenerator<Buffer> {
  let done = 0
  for await (const chunk of body) {
    done += chunk.length
    onBytes(done)
    yield chunk
  }
}

/** The blob of a path, through links as old archives have them between equal layers. Throws kind 'invalid'. */
function blobAt(archive: Archive, path: string): Blob {
  let name = posix.normalize(path)
  for (let links = 0; links <= mostLinks; links++) {
    const blob = archive.files.get(name)
    if (blob !== undefined) return blob
    const target = archive.links.get(name)
    if (target === undefined) break
    name = target
  }
  throw refuse(`archive lacks ${path}, which its manifest names`)
}

function readDocker(depot: Depot, archive: Archive): Type.Static<typeof dockerManifest> {
  const bytes = depot.content.read(blobAt(archive, 'manifest.json').digest)
  const value = parseJson(bytes)
  if (!Value.Check(dockerManifest, value)) throw refuse('archive has a malformed manifest.json')
  return value
}

/** undefined for what is no JSON */
function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString())
  } catch {
    return undefined
  }
}

/** manifest.json: configs and layers by path; there is no manifest, so one is made. */
async function findDocker(depot: Depot, archive: Archive): Promise<Found[]> {
  if (!archive.files.has('manifest.json')) {
    throw refuse('archive has neither manifest.json nor index.json: it is not the output of save')
  }
  const found: Found[] = []
  for (const image of readDocker(depot, archive)) {
    const layers = (image.Layers ?? []).map((path) => blobAt(archive, path))
    const manifest = await writeManifest(depot, blobAt(archive, image.Config), layers)
    found.push({ manifest: manifest.digest, tags: (image.RepoTags ?? []).map(toTag) })
  }
  return found
}

function toTag(name: string): string {
  return storedName(parseReference(name))
}

/** index.json: manifests by digest, named by annotations; a manifest.json beside it may know more names. */
async function findOci(depot: Depot, archive: Archive): Promise<Found[]> {
  const known = archive.files.has('manifest.json') ? readDocker(depot, archive) : []
  const namesByConfig = new Map(
    known.map((image) => [blobAt(archive, image.Config).digest, (image.RepoTags ?? []).map(toTag)]),
  )
  const { manifests } = parseIndex(depot.content.read(blobAt(archive, 'index.json').digest))
  const found: Found[] = []
  for (const entry of manifests) {
    const manifest = resolveManifest(depot, entry)
    if (manifest === null) continue
    const { config } = parseManifest(depot.content.read(manifest))
    const names = [...annotatedTags(entry), ...(namesByConfig.get(config.digest) ?? [])]
    const same = found.findIndex((other) => other.manifest === manifest)
    const tags = [...new Set([...(found[same]?.tags ?? []), ...names])]
    if (same < 0) found.push({ manifest, tags })
    else found[same] = { manifest, tags }
  }
  return found
}

/** Through nested indexes to this machine's manifest; null for what is not in the archive or no image, such as attestations. */
function resolveManifest(depot: Depot, entry: Descriptor): Digest | null {
  if (entry.platform?.os === 'unknown' || !depot.content.has(entry.digest)) return null
  const bytes = depot.content.read(entry.digest)
  if (!isIndex(entry.mediaType, bytes)) return entry.digest
  const present = parseIndex(bytes).manifests.filter((inner) => depot.content.has(inner.digest))
  const inner = choosePlatform(present, hostPlatform())
  return inner === null || isIndex(inner.mediaType, depot.content.read(inner.digest)) ? null : inner.digest
}

/** Docker writes the full name; others put a name, or only a tag, into OCI's own annotation. */
function annotatedTags(entry: Descriptor): string[] {
  const full = entry.annotations?.['io.containerd.image.name']
  if (full !== undefined) return [toTag(full)]
  const name = entry.annotations?.['org.opencontainers.image.ref.name'] ?? ''
  return /[:/]/.test(name) ? [toTag(name)] : []
}

async function install(depot: Depot, image: Found, progress: ProgressSink): Promise<ImageRecord> {
  const record = await installImage(depot, {
    manifest: image.manifest,
    awaitBlob: async (layer) => {
      if (!depot.content.has(layer.digest)) throw refuse(`archive lacks the layer ${layer.digest}`)
    },
    tags: image.tags,
    digests: [],
    words: { extracting: 'Loading layer', done: 'Layer loaded', present: 'Already exists' },
    progress,
    signal: new AbortController().signal,
  })
  depot.announce('load', record)
  return { ...record, tags: image.tags }
}
