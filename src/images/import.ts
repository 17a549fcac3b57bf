/** An image of one layer, made from a root file system's archive. */
import { createReadStream } from 'node:fs'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ImageRecord } from '../store/records.ts'
import type { RuntimeFields } from './changes.ts'
import type { Blob } from './content.ts'
import { decompressorForFile } from './decompress.ts'
import type { Depot } from './depot.ts'
import { type Digest, DigestStream } from './digest.ts'
import type { ProgressSink } from './image.ts'
import { installImage } from './install.ts'
import { mediaTypes } from './manifest.ts'
import type { Platform } from './platform.ts'

export interface RootImage {
  readonly archive: AsyncIterable<Buffer>
  readonly fields: RuntimeFields
  readonly comment: string
  /** ISO 8601 */
  readonly created: string
  readonly platform: Platform
  readonly tags: readonly string[]
}

/** Builds the image's documents around the archive, which is kept as it came, and installs it. */
export async function importRoot(
  depot: Depot,
  image: RootImage,
  progress: ProgressSink,
): Promise<ImageRecord> {
  const layer = await depot.content.ingest(image.archive)
  const diffId = await plainDigest(depot.content.path(layer.digest))
  const config = await depot.content.write(encode(configDocument(image, diffId)))
  const manifest = await writeManifest(depot, config, [layer])
  return installImage(depot, {
    manifest: manifest.digest,
    awaitBlob: async () => {},
    tags: image.tags,
    digests: [],
    words: { extracting: 'Extracting', done: 'Import complete', present: 'Already exists' },
    progress,
    signal: new AbortController().signal,
  })
}

/** The digest of an archive before its compression. */
async function plainDigest(path: string): Promise<Digest> {
  const meter = new DigestStream()
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  await pipeline(createReadStream(path), await decompressorForFile(path), meter, nowhere)
  return meter.digest()
}

function configDocument(image: RootImage, diffId: Digest): object {
  const { created, comment, platform } = image
  return {
    architecture: platform.architecture,
    ...(platform.variant === '' ? {} : { variant: platform.variant }),
    os: platform.os,
    created,
    comment,
    config: image.fields,
    history: [{ created, comment }],
    rootfs: { type: 'layers', diff_ids: [diffId] },
  }
}

/** Writes an OCI manifest for blobs that came without one. */
export function writeManifest(depot: Depot, config: Blob, layers: readonly Blob[]): Promise<Blob> {
  return depot.content.write(
    encode({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: { mediaType: mediaTypes.ociConfig, ...config },
      // The declared type is not trusted when a layer is read, so that it need not tell the compression.
      layers: layers.map((layer) => ({ mediaType: mediaTypes.ociLayer, ...layer })),
    }),
  )
}

function encode(document: object): Buffer {
  return Buffer.from(JSON.stringify(document))
}
