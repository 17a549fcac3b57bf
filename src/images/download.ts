/** Blobs from a registry into the content store: verified as they come, resumed when the connection breaks. */
import { createHash, type Hash } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { errorMessage, TsnetError } from '../errors.ts'
import type { ContentStore } from './content.ts'
import type { Digest } from './digest.ts'
import type { BlobStream, Registry } from './registry.ts'
import { TransportError } from './transport.ts'

export interface BlobRequest {
  readonly digest: Digest
  /** bytes, as the manifest says */
  readonly size: number
  readonly onBytes: (done: number) => void
  readonly signal: AbortSignal
}

/** Failures in a row, without a byte between them, after which a download is given up. */
const mostFailures = 5
/** milliseconds before the first new attempt; each further one waits twice as long */
const firstPause = 200

/**
 * Downloads a blob that is not there yet. Throws kind 'invalid' when the content is not what its digest says, and then
 * nothing is kept.
 */
export async function downloadBlob(
  registry: Registry,
  content: ContentStore,
  request: BlobRequest,
): Promise<void> {
  const path = content.temporary()
  try {
    await using file = await open(path, 'wx')
    const hash = createHash('sha256')
    const transfer = new Transfer(request, hash, (chunk) => file.appendFile(chunk))
    for (let failures = 0; !transfer.isComplete; ) {
      const before = transfer.received
      try {
        await transfer.take(await registry.blob(request.digest, transfer.received))
      } catch (error) {
        failures = transfer.received > before ? 1 : failures + 1
        if (!isWorthRetrying(error, request.signal) || failures >= mostFailures) throw error
        await delay(firstPause * 2 ** (failures - 1), undefined, { signal: request.signal })
      }
    }
    if (`sha256:${hash.digest('hex')}` !== request.digest) throw mismatch(request)
    await content.adopt(path, request.digest)
  } finally {
    await rm(path, { force: true })
  }
}

function mismatch({ digest }: BlobRequest): TsnetError {
  return new TsnetError('invalid', 'blob-digest', `filesystem layer verification failed for digest ${digest}`)
}

function isWorthRetrying(error: unknown, signal: AbortSignal): boolean {
  if (signal.aborted) return false
  if (error instanceof TransportError) return error.isBroken
  return error instanceof TsnetError && error.kind === 'unavailable' && error.code !== 'no-space'
}

/** The state of one blob's way here, over several connections. */
class Transfer {
  readonly #request: BlobRequest
  readonly #hash: Hash
  readonly #write: (chunk: Buffer) => Promise<void>
  #received = 0

  constructor(request: BlobRequest, hash: Hash, write: (chunk: Buffer) => Promise<void>) {
    this.#request = request
    this.#hash = hash
    this.#write = write
  }

  get received(): number {
    return this.#received
  }

  get isComplete(): boolean {
    return this.#received === this.#request.size
  }

  /** Takes what one connection brings. Throws when it ends early, or brings more than was announced. */
  async take({ body, offset }: BlobStream): Promise<void> {
    if (offset > this.#received) {
      body.destroy()
      throw new TsnetError(
        'unavailable',
        'registry-answer',
        `registry resumes ${this.#request.digest} too late`,
      )
    }
    // A registry that cannot resume sends everything again.
    let known = this.#received - offset
    const chunks = body as AsyncIterable<Buffer>
    try {
      for await (const chunk of chunks) {
        const fresh = chunk.subarray(Math.min(known, chunk.length))
        known -= chunk.length - fresh.length
        await this.#append(fresh)
      }
    } catch (error) {
      throw error instanceof TsnetError ? error : this.#broken(errorMessage(error), error)
    }
    if (!this.isComplete) throw this.#broken('unexpected EOF', undefined)
  }

  async #append(chunk: Buffer): Promise<void> {
    if (this.#received + chunk.length > this.#request.size) throw mismatch(this.#request)
    this.#hash.update(chunk)
    await this.#write(chunk)
    this.#received += chunk.length
    this.#request.onBytes(this.#received)
  }

  #broken(reason: string, cause: unknown): unknown {
    if ((cause as NodeJS.ErrnoException | undefined)?.code === 'ENOSPC' || this.#request.signal.aborted)
      return cause
    const { digest, size } = this.#request
    return new TsnetError(
      'unavailable',
      'transfer-broken',
      `download of ${digest} broke after ${this.#received} of ${size} bytes: ${reason}`,
      { cause },
    )
  }
}
