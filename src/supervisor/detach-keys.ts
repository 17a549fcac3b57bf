/** Finds the keys by which a client leaves a terminal (ctrl-p ctrl-q unless it says otherwise) in what it types. */
export class DetachKeys {
  readonly #keys: readonly number[]
  #matched = 0

  /** An empty sequence never matches. */
  constructor(keys: readonly number[]) {
    this.#keys = keys
  }

  /** `pass` goes on to the program; keys that may yet complete the sequence are held back. */
  filter(chunk: Buffer): { pass: Buffer; detached: boolean } {
    if (this.#keys.length === 0) return { pass: chunk, detached: false }
    const pass: number[] = []
    for (const byte of chunk) {
      if (byte === this.#keys[this.#matched]) {
        if (++this.#matched === this.#keys.length) return { pass: Buffer.from(pass), detached: true }
        continue
      }
      pass.push(...this.#keys.slice(0, this.#matched))
      this.#matched = byte === this.#keys[0] ? 1 : 0
      if (this.#matched === 0) pass.push(byte)
    }
    return { pass: Buffer.from(pass), detached: false }
  }
}
