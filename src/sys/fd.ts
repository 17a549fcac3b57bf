import { close, closeSync } from 'node:fs'

/** An owned file descriptor: closed once, by `using`, an undo stack or by hand. */
export class Fd implements Disposable {
  readonly number: number
  #open = true

  constructor(number: number) {
    this.number = number
  }

  get isOpen(): boolean {
    return this.#open
  }

  close(): void {
    if (!this.#open) return
    this.#open = false
    closeSync(this.number)
  }

  /** Closes it soon, in a thread of the pool: for sockets at whose end the kernel waits for all processors. */
  closeSoon(): void {
    if (this.#open) close(this.release(), () => {})
  }

  /** Hands the descriptor to a new owner, such as a socket object, and forgets it. */
  release(): number {
    this.#open = false
    return this.number
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
