/** init's side of the conversation with the supervisor: lines of JSON on fd 3 (in) and fd 4 (out). */
import { readSync, writeSync } from 'node:fs'
import type { InitMessage } from './steps.ts'

const inbound = 3
const outbound = 4

let rest = ''

/** Blocks until a line has come. Ends the process when the supervisor is gone. */
export function receive(): unknown {
  const chunk = Buffer.alloc(65_536)
  for (;;) {
    const end = rest.indexOf('\n')
    if (end >= 0) {
      const line = rest.slice(0, end)
      rest = rest.slice(end + 1)
      return JSON.parse(line)
    }
    const count = readSync(inbound, chunk)
    if (count === 0) process.exit(0)
    rest += chunk.toString('utf8', 0, count)
  }
}

export function send(message: InitMessage): void {
  writeSync(outbound, `${JSON.stringify(message)}\n`)
}

/** Both descriptors close by themselves when the program takes over: that tells the supervisor of the success. */
export const channelFds: readonly number[] = [inbound, outbound]
