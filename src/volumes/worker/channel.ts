/** The worker's side of the conversation. Blocking: between two jobs there is nothing else to do. */
import { readSync, writeSync } from 'node:fs'
import { widenSendBuffer } from '../../sys/socket.ts'
import { type Reply, type Request, replyFd, requestFd, streamFd } from './protocol.ts'

const newline = 10
const chunk = Buffer.alloc(65_536)

/** The next request, null when the daemon wants no more. */
export function receive(): Request | null {
  const parts: Buffer[] = []
  for (;;) {
    const count = readSync(requestFd, chunk)
    if (count === 0) return null
    parts.push(Buffer.from(chunk.subarray(0, count)))
    // the daemon sends the next one only after the reply: nothing follows a newline
    if (chunk[count - 1] === newline) return JSON.parse(Buffer.concat(parts).toString()) as Request
  }
}

export function send(reply: Reply): void {
  writeAll(replyFd, Buffer.from(`${JSON.stringify(reply)}\n`))
}

/** What may be on its way to the daemon: on a busy machine that takes it late. Bytes. */
const aheadSize = 4 << 20
let isWide = false

export function sendStream(bytes: Buffer): void {
  if (!isWide) widenSendBuffer(streamFd, aheadSize)
  isWide = true
  writeAll(streamFd, bytes)
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done)
}
