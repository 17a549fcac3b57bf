/** The worker's side of the conversation. Blocking: between two jobs there is nothing else to do. */
import { readSync, writeSync } from 'node:fs'
import { type Reply, type Request, replyFd, requestFd } from './protocol.ts'

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
  const bytes = Buffer.from(`${JSON.stringify(reply)}\n`)
  for (let sent = 0; sent < bytes.length; ) sent += writeSync(replyFd, bytes, sent)
}
