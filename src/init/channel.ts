/** init's side of the conversation with the supervisor: lines of JSON on fd 3 (in) and fd 4 (out). */
import { readSync, writeSync } from 'node:fs'
import type { InitMessage } from './steps.ts'

const inbound = 3
const outbound = 4

let rest: Buffer = Buffer.alloc(0)

/** Blocks until a line has come. Ends the process when the supervisor is gone. */
export function receive(): unknown {
  const chunk = Buffer.alloc(65_536)
  for (;;) {
    const end = rest.indexOf(10)
    if (end >= 0) {
      const line = rest.toString('utf8', 0, end)
      rest = rest.subarray(end + 1)
      return JSON.parse(line)
    }
    const count = readSync(inbound, chunk)
    if (count === 0) process.exit(0)
    // As bytes: a read may end in the middle of a character.
    rest = Buffer.concat([rest, chunk.subarray(0, count)])
  }
}

export function send(message: InitMessage): void {
  writeSync(outbound, `${JSON.stringify(message)}\n`)
}

/** Both descriptors close by themselves when the program takes over: that tells the supervisor of the success. */
export const channelFds: readonly number[] = [inbound, outbound]
