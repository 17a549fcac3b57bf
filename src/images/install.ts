/** From blobs in the content store to an image that containers can start from. */
import { TsnetError } from '../errors.ts'
import type { ImageRecord } from '../store/records.ts'
import type { ImageId } from '../values/id.ts'
import { shortId } from '../values/id.ts'
import type { Depot } from './depot.ts'
import { type Digest, digestOf } from './digest.ts'
import type { ProgressSink } from './image.ts'
import type { Layer } from './layers.ts'
import {
  type ConfigDocument,
  chainIds,
  type Descriptor,
  diffIdsOf,
  type Manifest,
  parseConfig,
  parseManifest,
  runtimeConfig,
} from './manifest.ts'
import { assignNames } from './names.ts'
import { throttle } from './progress.ts'

export interface InstallRequest {
  /** in the content store, with the config it names */
  readonly manifest: Digest
  /** Resolves when the blob of a layer is in the content store. */
  readonly awaitBlob: (layer: Descriptor) => Promise<void>
  /** familiar names with a tag */
  readonly tags: readonly string[]
  /** `name@sha256:…` */
  readonly digests: readonly string[]
  /** What a layer's extraction is called in the progress. */
  readonly words: { readonly extracting: string; readonly done: string; readonly present: string }
  readonly progress: ProgressSink
  readonly signal: AbortSignal
}

/** The parsed config of a manifest, its digest verified, and fit for its layers. Throws kind 'invalid'. */
export function readConfig(depot: Depot, manifest: Manifest): ConfigDocument {
  const bytes = depot.content.read(manifest.config.digest)
  if (digestOf(bytes) !== manifest.config.digest) {
    throw new TsnetError(
      'invalid',
      'config-digest',
      `image config verification failed for digest ${manifest.config.digest}`,
    )
  }
  const config = parseConfig(bytes)
  const [wanted, given] = [diffIdsOf(config).length, manifest.layers.length]
  if (wanted !== given) {
    throw new TsnetError(
      'invalid',
      'layer-count',
      `image config names ${wanted} layers, its manifest ${given}: layers from manifest don't match image configuration`,
    )
  }
  return config
}

/** Extracts the layers that are missing, in order, and records the image under its names. */
export async function installImage(depot: Depot, request: InstallRequest): Promise<ImageRecord> {
  const manifest = parseManifest(depot.content.read(request.manifest))
  const config = readConfig(depot, manifest)
  const diffIds = diffIdsOf(config)
  const chain = chainIds(diffIds)
  const layers: Layer[] = []
  for (const [index, descriptor] of manifest.layers.entries()) {
    const ids = { chainId: chain[index]!, diffId: diffIds[index]! }
    const below = layers.map((layer) => layer.name)
    layers.push(await installLayer(depot, request, descriptor, { ...ids, below }))
  }
  const id = manifest.config.digest as string as ImageId
  return depot.store.transaction(() => {
    const known = depot.store.images.get(id)
    depot.store.images.put(id, {
      ...describe(config),
      id,
      tags: known?.tags ?? [],
      digests: known?.digests ?? [],
      layers: layers.map((layer) => layer.name),
      diffIds,
      // The manifest that came first stays, so that what is saved is what was pulled first.
      manifest: known?.manifest ?? request.manifest,
      size: layers.reduce((sum, layer) => sum + layer.size, 0),
    })
    if (known !== undefined && known.manifest !== request.manifest) depot.noteGarbage()
    return assignNames(depot.store, id, request)
  })
}

function describe(
  config: ConfigDocument,
): Pick<ImageRecord, 'createdAt' | 'architecture' | 'os' | 'author' | 'comment' | 'config'> {
  return {
    createdAt: config.created ?? '',
    architecture: config.architecture ?? '',
    os: config.os ?? '',
    author: config.author ?? '',
    comment: config.comment ?? '',
    config: runtimeConfig(config),
  }
}

async function installLayer(
  depot: Depot,
  request: InstallRequest,
  descriptor: Descriptor,
  layer: { chainId: Digest; diffId: Digest; below: readonly string[] },
): Promise<Layer> {
  const { progress, signal, words } = request
  const id = shortId(descriptor.digest)
  await request.awaitBlob(descriptor)
  const say = throttle(progress, id, descriptor.size)
  let isNew = false
  const installed = await depot.extractions.run(layer.chainId, signal, async () => {
    const present = depot.layers.find(layer.chainId)
    if (present !== null) return present
    isNew = true
    const archive = depot.content.path(descriptor.digest)
    const onBytes = (done: number): void => say(words.extracting, done)
    return depot.layers.extract({ ...layer, archive, onBytes, signal })
  })
  progress({ id, status: isNew ? words.done : words.present, current: 0, total: 0 })
  return installed
}
