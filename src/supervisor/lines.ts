/** Splits a byte stream into lines; what follows the last newline waits for more. */
export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0)

  /** The complete lines, without their newlines. */
  push(chunk: Buffer): string[] {
    const lines: string[] = []
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10)) {
      lines.push(bytes.toString('utf8', 0, end))
      bytes = bytes.subarray(end + 1)
    }
    this.#rest = bytes
    return lines
  }

  /** Takes what is left, for a stream that goes on as raw bytes. */
  takeRest(): Buffer {
    const rest = this.#rest
    this.#rest = Buffer.alloc(0)
    return rest
  }
}
