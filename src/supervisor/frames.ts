/** Docker's stream frames: type (1 stdout, 2 stderr), three zero bytes, length as 32 bits big-endian, payload. */

export type OutputStream = 'stdout' | 'stderr'

const headerLength = 8

export function encodeFrame(stream: OutputStream, payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(headerLength + payload.length)
  frame.writeUInt32BE(stream === 'stdout' ? 0x01000000 : 0x02000000, 0)
  frame.writeUInt32BE(payload.length, 4)
  payload.copy(frame, headerLength)
  return frame
}
