/** DNS over TCP: each message behind its length in two bytes (RFC 1035, 4.2.2). */
import type { Readable } from 'node:stream'

export function frame(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}

/** The messages of a stream, in order. What is left of an unfinished one at the end is dropped. */
export async function* readFrames(stream: Readable): AsyncGenerator<Buffer, void, void> {
  let pending: Buffer = Buffer.alloc(0)
  for await (const chunk of stream) {
    pending = Buffer.concat([pending, chunk as Buffer])
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0)
      yield pending.subarray(2, end)
      pending = pending.subarray(end)
    }
  }
}
