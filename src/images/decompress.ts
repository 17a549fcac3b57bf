/** Archives and layers without their compression. */
import { open } from 'node:fs/promises'
import { PassThrough, type Readable, type Transform } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { type Compression, detectCompression, longestMagic } from '../archives/compression.ts'
import { TsnetError } from '../errors.ts'

export function createDecompressor(compression: Compression): Transform {
  if (compression === 'gzip') return createGunzip()
  if (compression === 'zstd') return createZstdDecompress()
  return new PassThrough()
}

/** The compression of a file, by its first bytes. */
export async function compressionOfFile(path: string): Promise<Compression> {
  await using file = await open(path)
  const head = Buffer.alloc(longestMagic)
  await file.read(head, 0, longestMagic, 0)
  return detectCompression(head)
}

export async function decompressorForFile(path: string): Promise<Transform> {
  return createDecompressor(await compressionOfFile(path))
}

/** The decompressor for a stream, none of whose bytes is lost. Throws kind 'invalid' when it ends at once. */
export async function decompressorForStream(source: Readable): Promise<Transform> {
  const parts: Buffer[] = []
  for (let length = 0; length < longestMagic; ) {
    const chunk = source.read() as Buffer | null
    if (chunk === null) await moreToRead(source)
    else {
      parts.push(chunk)
      length += chunk.length
    }
  }
  const head = Buffer.concat(parts)
  source.unshift(head)
  return createDecompressor(detectCompression(head))
}

/** Waits until the stream can be read. Rejects with its error, or when it has ended. */
async function moreToRead(source: Readable): Promise<void> {
  if (source.errored !== null) throw source.errored
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onEnd = (): void => reject(new TsnetError('invalid', 'archive', 'the archive is empty or cut short'))
  if (source.readableEnded || source.destroyed) onEnd()
  source.once('readable', resolve).once('end', onEnd).once('close', onEnd).once('error', reject)
  try {
    await promise
  } finally {
    source.off('readable', resolve).off('end', onEnd).off('close', onEnd).off('error', reject)
  }
}
