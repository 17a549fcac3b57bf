import { createProgress, type Display } from './progress.ts'

/** Shows on a terminal how many bytes of something have passed; `total` is 0 while unknown. */
export class ByteCount {
  readonly #show: ReturnType<typeof createProgress> | null
  readonly #id: string
  readonly #status: string
  readonly #total: number
  #bytes = 0
  #shown = 0

  constructor(display: Display, id: string, status: string, total = 0) {
    this.#show = display.isTTY ? createProgress(display) : null
    this.#id = id
    this.#status = status
    this.#total = total
  }

  /** Passes chunks on, of something that has come as far as `start`. */
  async *of(chunks: AsyncIterable<Buffer>, start = 0): AsyncGenerator<Buffer> {
    this.#bytes = start
    for await (const chunk of chunks) {
      this.#bytes += chunk.length
      this.#tell(false)
      yield chunk
    }
    this.#tell(true)
  }

  #tell(isLast: boolean): void {
    const now = Date.now()
    if (now - this.#shown < 100 && !isLast) return
    this.#shown = now
    const progressDetail = { current: this.#bytes, total: this.#total }
    this.#show?.({ id: this.#id, status: this.#status, progressDetail })
  }
}
