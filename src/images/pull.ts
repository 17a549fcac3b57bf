/** An image from a registry: index → manifest → config and layers. */
import { TsnetError } from '../errors.ts'
import { shortId } from '../values/id.ts'
import type { Depot } from './depot.ts'
import { downloadBlob } from './download.ts'
import type { ProgressSink, RegistryAuth } from './image.ts'
import { installImage, readConfig } from './install.ts'
import {
  type ConfigDocument,
  type Descriptor,
  isIndex,
  type Manifest,
  mediaTypes,
  parseIndex,
  parseManifest,
} from './manifest.ts'
import { imageNamed, storedName } from './names.ts'
import { choosePlatform, formatPlatform, parsePlatform } from './platform.ts'
import { sayAll, throttle } from './progress.ts'
import {
  familiarName,
  familiarReference,
  parseReference,
  type Reference,
  withDefaultTag,
} from './reference.ts'
import { connectRegistry, type FetchedManifest, type Registry } from './registry.ts'

export interface PullOptions {
  readonly platform: string
  readonly auth: RegistryAuth | null
  readonly signal: AbortSignal
}

/** The `words` of Docker's pull. */
const words = { extracting: 'Extracting', done: 'Pull complete', present: 'Already exists' }

export async function pullImage(
  depot: Depot,
  ref: string,
  options: PullOptions,
  progress: ProgressSink,
): Promise<void> {
  const reference = withDefaultTag(parseReference(ref))
  const registry = await connectRegistry(reference, options.auth, options.signal)
  const target = reference.digest ?? reference.tag ?? 'latest'
  const found = await registry.manifest(target)
  sayAll(progress, `Pulling from ${reference.path}`, target)
  const chosen = await chooseManifest(registry, found, reference, options.platform)
  const manifest = readManifest(chosen)
  const before = imageNamed(depot.store, reference)?.id
  const stop = new AbortController()
  const signal = AbortSignal.any([options.signal, stop.signal])
  const fetch = blobFetcher(depot, registry, signal, progress)
  try {
    await depot.content.write(chosen.bytes)
    await fetch(manifest.config, false)
    checkPlatform(readConfig(depot, manifest), options.platform, reference)
    const blobs = startDownloads(manifest.layers, fetch, progress, stop)
    const record = await installImage(depot, {
      manifest: chosen.digest,
      awaitBlob: async (layer) => blobs.get(layer.digest),
      tags: reference.digest === null ? [storedName(reference)] : [],
      digests: [`${familiarName(reference)}@${found.digest}`],
      words,
      progress,
      signal,
    })
    const outcome = record.id === before ? 'Image is up to date' : 'Downloaded newer image'
    sayAll(progress, `Digest: ${found.digest}`)
    sayAll(progress, `Status: ${outcome} for ${familiarReference(reference)}`)
    depot.announce('pull', record)
  } catch (error) {
    options.signal.throwIfAborted()
    throw stop.signal.aborted ? stop.signal.reason : error
  } finally {
    stop.abort()
    // They must be over before anything is collected.
    await fetch.settled()
  }
}

async function chooseManifest(
  registry: Registry,
  found: FetchedManifest,
  reference: Reference,
  platform: string,
): Promise<FetchedManifest> {
  if (!isIndex(found.mediaType, found.bytes)) return found
  const wanted = parsePlatform(platform)
  const entry = choosePlatform(parseIndex(found.bytes).manifests, wanted)
  if (entry === null) {
    throw new TsnetError(
      'not-found',
      'no-platform',
      `no matching manifest for ${formatPlatform(wanted)} in the manifest list entries of ${familiarReference(reference)}`,
    )
  }
  const manifest = await registry.manifest(entry.digest)
  return manifest.mediaType === '' ? { ...manifest, mediaType: entry.mediaType } : manifest
}

function readManifest(fetched: FetchedManifest): Manifest {
  if (/distribution\.manifest\.v1\+/.test(fetched.mediaType)) {
    throw new TsnetError(
      'unsupported',
      'manifest-type',
      `manifest type ${fetched.mediaType} is obsolete and not supported: push the image again with a newer client`,
    )
  }
  const manifest = parseManifest(fetched.bytes)
  const type = manifest.config.mediaType
  if (type !== mediaTypes.dockerConfig && type !== mediaTypes.ociConfig) {
    throw new TsnetError(
      'invalid',
      'manifest-type',
      `manifest is no container image: its config is of type ${type}`,
    )
  }
  return manifest
}

/** An index was asked for the platform; a single manifest may be for another one, which matters if the user said so. */
function checkPlatform(config: ConfigDocument, platform: string, reference: Reference): void {
  if (platform === '') return
  const wanted = parsePlatform(platform)
  if (config.os === wanted.os && config.architecture === wanted.architecture) return
  throw new TsnetError(
    'not-found',
    'no-platform',
    `image with reference ${familiarReference(reference)} was found but does not match the specified platform: wanted ${formatPlatform(wanted)}, actual: ${config.os ?? ''}/${config.architecture ?? ''}`,
  )
}

interface BlobFetcher {
  /** Downloads a blob unless it is there; `isLayer` ones are reported. */
  (blob: Descriptor, isLayer: boolean): Promise<void>
  /** Resolves when no download is under way. */
  settled(): Promise<void>
}

function blobFetcher(
  depot: Depot,
  registry: Registry,
  signal: AbortSignal,
  progress: ProgressSink,
): BlobFetcher {
  const started: Promise<void>[] = []
  const download = async (blob: Descriptor, isLayer: boolean): Promise<void> => {
    const id = shortId(blob.digest)
    const say = throttle(isLayer ? progress : () => {}, id, blob.size)
    await depot.downloads.run(blob.digest, signal, async () => {
      if (depot.content.has(blob.digest)) return
      await depot.downloadSlots.run(async () => {
        signal.throwIfAborted()
        const onBytes = (done: number): void => say('Downloading', done)
        await downloadBlob(registry, depot.content, { digest: blob.digest, size: blob.size, onBytes, signal })
      })
    })
    if (isLayer) sayAll(progress, 'Download complete', id)
  }
  const fetch = async (blob: Descriptor, isLayer: boolean): Promise<void> => {
    if (depot.content.has(blob.digest)) return
    const promise = download(blob, isLayer)
    started.push(promise)
    await promise
  }
  return Object.assign(fetch, {
    settled: async (): Promise<void> => void (await Promise.allSettled(started)),
  })
}

/** Begins all downloads at once; the first failure stops the others. */
function startDownloads(
  layers: readonly Descriptor[],
  fetch: BlobFetcher,
  progress: ProgressSink,
  stop: AbortController,
): ReadonlyMap<string, Promise<void>> {
  const blobs = new Map<string, Promise<void>>()
  for (const layer of layers) {
    if (blobs.has(layer.digest)) continue
    sayAll(progress, 'Pulling fs layer', shortId(layer.digest))
    const promise = fetch(layer, true)
    promise.catch((error: unknown) => stop.abort(error))
    blobs.set(layer.digest, promise)
  }
  return blobs
}
