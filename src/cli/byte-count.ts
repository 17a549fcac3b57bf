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

  /** Begins at another place. */
  set(bytes: number): void {
    this.#bytes = bytes
  }

  add(bytes: number): void {
    this.#bytes += bytes
    const now = Date.now()
    if (now - this.#shown < 100) return
    this.#shown = now
    this.end()
  }

  /** Shows the last of it. */
  end(): void {
    const progressDetail = { current: this.#bytes, total: this.#total }
    this.#show?.({ id: this.#id, status: this.#status, progressDetail })
  }
}
