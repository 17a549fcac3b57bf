import { createHash } from 'node:crypto'
import { Transform, type TransformCallback } from 'node:stream'

/** `sha256:` and 64 lower-case hex digits, the only algorithm that registries use. */
export type Digest = `sha256:${string}`

const pattern = /^sha256:[0-9a-f]{64}$/

export function isDigest(text: string): text is Digest {
  return pattern.test(text)
}

/** The 64 digits alone. */
export function digestHex(digest: string): string {
  return digest.slice('sha256:'.length)
}

export function digestOf(bytes: Buffer | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** Passes bytes on, and knows the digest and number of what has passed. */
export class DigestStream extends Transform {
  readonly #hash = createHash('sha256')
  readonly #onBytes: (total: number) => void
  #size = 0

  constructor(onBytes: (total: number) => void = () => {}) {
    super()
    this.#onBytes = onBytes
  }

  /** bytes so far */
  get size(): number {
    return this.#size
  }

  /** Of all that has passed; to be called once, after the end. */
  digest(): Digest {
    return `sha256:${this.#hash.digest('hex')}`
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#hash.update(chunk)
    this.#size += chunk.length
    this.#onBytes(this.#size)
    done(null, chunk)
  }
}
