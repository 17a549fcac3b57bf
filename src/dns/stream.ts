/** DNS over TCP: each message behind its length in two bytes (RFC 1035, 4.2.2). */
import type { Readable } from 'node:stream'

export function frame(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}

/** Cuts a stream's chunks into messages. What is left of an unfinished one is never seen. */
export class FrameSplitter {
  #rest: Buffer = Buffer.alloc(0)

  /** The messages that this chunk completes. */
  push(chunk: Buffer): Buffer[] {
    const messages: Buffer[] = []
    this.#rest = Buffer.concat([this.#rest, chunk])
    while (this.#rest.length >= 2 && this.#rest.length >= 2 + this.#rest.readUInt16BE(0)) {
      const end = 2 + this.#rest.readUInt16BE(0)
      messages.push(this.#rest.subarray(2, end))
      this.#rest = this.#rest.subarray(end)
    }
    return messages
  }
}

/** The messages of a stream, in order. The stream is destroyed afterwards. */
export async function* readFrames(stream: Readable): AsyncGenerator<Buffer, void, void> {
  const splitter = new FrameSplitter()
  for await (const chunk of stream) yield* splitter.push(chunk as Buffer)
}
