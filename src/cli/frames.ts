/**
 * The stream of a container without a terminal. Docker Engine API, "Stream format":
 *
 *     byte  0        1 2 3   4 5 6 7             8 …
 *           stream   0 0 0   length, big endian  payload
 *
 * Stream 1 is standard output, 2 standard error; 3 carries an error of the daemon's own.
 */
import { TsnetError } from '../errors.ts'

const headerSize = 8

export type FrameSink = (stream: 1 | 2, payload: Buffer) => void

/** Returns a function that takes the stream chunk by chunk. Parts of a payload are passed on as they come. */
export function createDemultiplexer(sink: FrameSink): (chunk: Buffer) => void {
  let header = Buffer.alloc(0)
  let left = 0
  let stream = 1
  return (chunk) => {
    let rest = chunk
    while (rest.length > 0) {
      if (left === 0) {
        const need = headerSize - header.length
        header = Buffer.concat([header, rest.subarray(0, need)])
        rest = rest.subarray(need)
        if (header.length < headerSize) return
        stream = header[0]!
        left = header.readUInt32BE(4)
        header = Buffer.alloc(0)
        continue
      }
      const payload = rest.subarray(0, left)
      left -= payload.length
      rest = rest.subarray(payload.length)
      emit(sink, stream, payload)
    }
  }
}

function emit(sink: FrameSink, stream: number, payload: Buffer): void {
  if (stream === 0 || stream === 1) sink(1, payload)
  else if (stream === 2) sink(2, payload)
  else if (stream === 3) throw new TsnetError('internal', 'stream', `error from daemon in stream: ${payload}`)
  else throw new TsnetError('internal', 'stream', `unrecognized input header: ${stream}`)
}
