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
      const held = [...this.#keys.slice(0, this.#matched), byte]
      // What is held back may begin anew inside itself: of `a a a b` the sequence `a,a,b` is the end.
      while (!held.every((key, index) => key === this.#keys[index])) pass.push(held.shift() ?? 0)
      this.#matched = held.length
      if (this.#matched === this.#keys.length) return { pass: Buffer.from(pass), detached: true }
    }
    return { pass: Buffer.from(pass), detached: false }
  }
}
