/**
 * Bytes by the piece, whatever the chunks in which they come. Who reads is a generator, which yields null when it wants another
 * chunk: so it works for those who may block as for those who may not.
 */
export type Wanting<T> = Generator<null, T, void>

export class ByteQueue {
  #chunk: Buffer = Buffer.alloc(0)
  #at = 0
  #isEnded = false

  /** The next chunk, as an answer to null; an empty one is the end. */
  push(chunk: Buffer): void {
    this.#chunk = chunk
    this.#at = 0
    this.#isEnded = chunk.length === 0
  }

  /** Between one and `most` bytes, none at the end. They last as long as their chunk. */
  *some(most: number): Wanting<Buffer> {
    if (this.#at === this.#chunk.length && !this.#isEnded) yield null
    const part = this.#chunk.subarray(this.#at, this.#at + most)
    this.#at += part.length
    return part
  }

  /** Exactly `length` bytes, or fewer at the end. */
  *exactly(length: number): Wanting<Buffer> {
    if (this.#chunk.length - this.#at >= length) return yield* this.some(length)
    const parts: Buffer[] = []
    for (let left = length; left > 0; ) {
      const part = yield* this.some(left)
      if (part.length === 0) break
      // The next chunk may be written over this one.
      parts.push(Buffer.from(part))
      left -= part.length
    }
    return Buffer.concat(parts)
  }

  /** Reads over `length` bytes; false when there are not as many. */
  *skip(length: number): Wanting<boolean> {
    for (let left = length; left > 0; ) {
      const part = yield* this.some(left)
      if (part.length === 0) return false
      left -= part.length
    }
    return true
  }
}
