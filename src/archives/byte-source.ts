/** Bytes of a stream by the piece, whatever the chunks in which they come. */
export class ByteSource {
  readonly #chunks: AsyncIterator<Buffer>
  #chunk: Buffer = Buffer.alloc(0)
  #at = 0

  constructor(source: AsyncIterable<Buffer>) {
    this.#chunks = source[Symbol.asyncIterator]()
  }

  /** Between one and `most` bytes, null at the end. */
  some(most: number): Buffer | null | Promise<Buffer | null> {
    if (this.#at < this.#chunk.length) return this.#cut(most)
    return this.#more().then((isMore) => (isMore ? this.#cut(most) : null))
  }

  /** Exactly `length` bytes, or fewer at the end. */
  exactly(length: number): Buffer | Promise<Buffer> {
    if (this.#chunk.length - this.#at >= length) return this.#cut(length)
    return this.#collect(length)
  }

  /** Reads over `length` bytes; false when there are not as many. */
  async skip(length: number): Promise<boolean> {
    for (let left = length; left > 0; ) {
      const part = await this.some(left)
      if (part === null) return false
      left -= part.length
    }
    return true
  }

  #cut(most: number): Buffer {
    const part = this.#chunk.subarray(this.#at, this.#at + most)
    this.#at += part.length
    return part
  }

  async #collect(length: number): Promise<Buffer> {
    const parts: Buffer[] = []
    for (let left = length; left > 0; ) {
      const part = await this.some(left)
      if (part === null) break
      parts.push(part)
      left -= part.length
    }
    return Buffer.concat(parts)
  }

  async #more(): Promise<boolean> {
    for (;;) {
      const { value, done } = await this.#chunks.next()
      if (done) return false
      this.#chunk = value
      this.#at = 0
      if (value.length > 0) return true
    }
  }
}
