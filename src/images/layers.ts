/**
 * Extracted layers, each at `<root>/<first 12 or more hex digits of its chain id>`: overlayfs takes one page of options,
 * so that names must be short. A layer appears by a rename when it is whole; which chain a directory is, and its size, is
 * written on the directory itself, so that both appear at once.
 */
import { randomBytes } from 'node:crypto'
import { createReadStream, existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { chmod, mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { TsnetError } from '../errors.ts'
import { getXattr, setXattr } from '../sys/xattr.ts'
import { decompressorForFile } from './decompress.ts'
import { type Digest, DigestStream, digestHex } from './digest.ts'
import { LayerTree } from './layer-tree.ts'
import { openTar } from './tar-entry.ts'

export interface Layer {
  /** of the directory below the root */
  readonly name: string
  /** bytes of its files */
  readonly size: number
}

export interface LayerRequest {
  readonly chainId: Digest
  readonly diffId: Digest
  /** names of the layers below, bottom first */
  readonly below: readonly string[]
  /** file of the archive, compressed or not */
  readonly archive: string
  /** Told of the archive's bytes read so far. */
  readonly onBytes: (done: number) => void
  readonly signal: AbortSignal
}

export interface LayerStore {
  find(chainId: Digest): Layer | null
  /** Throws kind 'invalid' for a hostile archive or one that is not `diffId`; nothing is left then. */
  extract(request: LayerRequest): Promise<Layer>
  /** Removes layers that are not `wanted`, and what crashes have left. Takes them out of sight before it returns. */
  retain(wanted: ReadonlySet<string>): Promise<void>
}

const identity = 'trusted.tsnet.layer'
const shortestName = 12

export function openLayers(root: string): LayerStore {
  mkdirSync(root, { recursive: true, mode: 0o710 })

  /** The layer of a chain, or the first free name for it: a longer one where another chain begins alike. */
  const locate = (chainId: Digest): Layer | { readonly name: string; readonly size: null } => {
    const hex = digestHex(chainId)
    for (let length = shortestName; ; length++) {
      const name = hex.slice(0, length)
      if (!existsSync(join(root, name))) return { name, size: null }
      const written = getXattr(join(root, name), identity)
      const [owner, size] = written?.toString().split(' ') ?? []
      if (owner === chainId) return { name, size: Number(size) }
    }
  }

  const find = (chainId: Digest): Layer | null => {
    const layer = locate(chainId)
    return layer.size === null ? null : layer
  }

  const extract = async (request: LayerRequest): Promise<Layer> => {
    const directory = join(root, `.new-${randomBytes(8).toString('hex')}`)
    try {
      await mkdir(directory)
      await chmod(directory, 0o755)
      const below = request.below.map((name) => join(root, name)).reverse()
      const size = await unpack(directory, below, request)
      setXattr(directory, identity, Buffer.from(`${request.chainId} ${size}`))
      const { name } = locate(request.chainId)
      await rename(directory, join(root, name))
      return { name, size }
    } catch (error) {
      await rm(directory, { recursive: true, force: true })
      throw explain(error, request)
    }
  }

  const retain = async (wanted: ReadonlySet<string>): Promise<void> => {
    const unwanted = readdirSync(root).filter((name) => !wanted.has(name))
    const hidden = unwanted.map((name) => {
      const target = join(root, `.old-${randomBytes(8).toString('hex')}`)
      renameSync(join(root, name), target)
      return target
    })
    for (const path of hidden) await rm(path, { recursive: true, force: true })
  }

  return { find, extract, retain }
}

/** Fills `directory` and returns the bytes of its files. */
async function unpack(directory: string, below: readonly string[], request: LayerRequest): Promise<number> {
  const tree = new LayerTree(directory, below)
  const tar = openTar()
  const inflate = await decompressorForFile(request.archive)
  const source = createReadStream(request.archive)
  const plain = new DigestStream(() => request.onBytes(source.bytesRead))
  const flow = pipeline(source, inflate, plain, tar.sink, { signal: request.signal })
  const fill = async (): Promise<void> => {
    for await (const { entry, body } of tar.entries()) await tree.add(entry, body)
  }
  await both(fill(), flow)
  const digest = plain.digest()
  if (digest !== request.diffId) {
    throw new TsnetError(
      'invalid',
      'layer-digest',
      `layer ${request.diffId} has the content of ${digest}: layers from manifest don't match image configuration`,
    )
  }
  tree.finish()
  return tree.size
}

/** Waits for both to end. The first failure is the cause; the other one only follows from it. */
async function both(first: Promise<void>, second: Promise<void>): Promise<void> {
  const { promise: failed, reject } = Promise.withResolvers<never>()
  first.catch(reject)
  second.catch(reject)
  const settled = Promise.allSettled([first, second])
  try {
    await Promise.race([failed, settled])
  } finally {
    await settled
  }
  await Promise.all([first, second])
}

function explain(error: unknown, request: LayerRequest): unknown {
  if (error instanceof TsnetError || request.signal.aborted) return error
  const message = error instanceof Error ? error.message : String(error)
  const isFull = (error as NodeJS.ErrnoException).code === 'ENOSPC'
  const kind = isFull ? 'unavailable' : 'invalid'
  return new TsnetError(
    kind,
    isFull ? 'no-space' : 'layer',
    `layer ${request.diffId} cannot be extracted: ${message}`,
    {
      cause: error,
    },
  )
}
