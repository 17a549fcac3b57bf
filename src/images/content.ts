/**
 * The content store: blobs as they came from a registry or an archive, each in a file named after its digest.
 * A blob appears whole and verified, by a rename, or not at all.
 */
import { randomBytes } from 'node:crypto'
import { createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { TsnetError } from '../errors.ts'
import { type Digest, DigestStream, digestHex, digestOf } from './digest.ts'

export interface Blob {
  readonly digest: Digest
  /** bytes */
  readonly size: number
}

export interface ContentStore {
  /** The file of a blob, whether it is there or not. */
  path(digest: Digest): string
  has(digest: Digest): boolean
  /** bytes; throws ENOENT */
  size(digest: Digest): Promise<number>
  /** The whole of a small blob. Throws kind 'internal' when it is not there. */
  read(digest: Digest): Buffer
  write(bytes: Buffer): Promise<Blob>
  /** Takes in a stream of which nothing is known. */
  ingest(source: AsyncIterable<Buffer>): Promise<Blob>
  /** A fresh path in which to prepare a blob. */
  temporary(): string
  /** Takes over a prepared file, whose content the caller has verified. */
  adopt(path: string, digest: Digest): Promise<void>
  /** Removes blobs that are not `wanted`, and what crashes have left. */
  retain(wanted: ReadonlySet<Digest>): void
}

/** Opens the store at `<root>/blobs/sha256`, with `<root>/tmp` beside it. */
export function openContent(root: string): ContentStore {
  const blobs = join(root, 'blobs', 'sha256')
  const scratch = join(root, 'tmp')
  mkdirSync(blobs, { recursive: true, mode: 0o700 })
  mkdirSync(scratch, { recursive: true, mode: 0o700 })

  const path = (digest: Digest): string => join(blobs, digestHex(digest))
  const temporary = (): string => join(scratch, randomBytes(8).toString('hex'))
  const adopt = (from: string, digest: Digest): Promise<void> => rename(from, path(digest))

  /** Runs `fill` on a temporary file, which is gone afterwards unless it has been adopted. */
  const viaTemporary = async (fill: (file: string) => Promise<Blob>): Promise<Blob> => {
    const file = temporary()
    try {
      const blob = await fill(file)
      await adopt(file, blob.digest)
      return blob
    } finally {
      await rm(file, { force: true })
    }
  }

  return {
    path,
    temporary,
    adopt,
    has: (digest) => existsSync(path(digest)),
    size: async (digest) => (await stat(path(digest))).size,
    read: (digest) => readBlob(path(digest), digest),
    write: (bytes) =>
      viaTemporary(async (file) => {
        await writeFile(file, bytes)
        return { digest: digestOf(bytes), size: bytes.length }
      }),
    ingest: (source) =>
      viaTemporary(async (file) => {
        const meter = new DigestStream()
        await pipeline(source, meter, createWriteStream(file))
        return { digest: meter.digest(), size: meter.size }
      }),
    retain: (wanted) => {
      const keep = new Set([...wanted].map(digestHex))
      for (const name of readdirSync(blobs)) if (!keep.has(name)) rmSync(join(blobs, name), { force: true })
      // Only called when nothing is under way: whatever is here has been left.
      for (const name of readdirSync(scratch)) discard(join(scratch, name))
    },
  }
}

function readBlob(path: string, digest: Digest): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new TsnetError('internal', 'blob-missing', `blob ${digest} cannot be read from ${path}`, { cause })
  }
}

function discard(path: string): void {
  rmSync(path, { recursive: true, force: true })
}
