import { randomInt } from 'node:crypto'
import { Socket } from 'node:net'
import { TsnetError } from '../errors.ts'
import type { Fd } from '../sys/fd.ts'
import { isAnswerTo } from './answer.ts'
import { openClientSocket } from './client-socket.ts'
import { type Query, upstreamQuery } from './message.ts'
import { frame, readFrames } from './stream.ts'

/**
 * One query by TCP on a connection of its own, from `netns` or the daemon's own namespace. Rejects when the server is
 * unreachable or `signal` aborts.
 */
export async function askByTcp(
  address: string,
  netns: Fd | null,
  query: Query,
  signal: AbortSignal,
): Promise<Buffer> {
  const id = randomInt(0x10000)
  // reading from a socket that is not connected yet would fail
  const inside = netns && { fd: openClientSocket(netns, address).release(), manualStart: true }
  const socket = new Socket({ ...inside, signal })
  try {
    socket.connect(53, address)
    socket.write(frame(upstreamQuery(query, id)))
    for await (const message of readFrames(socket)) {
      if (isAnswerTo(message, query, id)) return message
    }
  } finally {
    socket.destroy()
  }
  throw new TsnetError(
    'unavailable',
    'dns-upstream',
    `name server ${address} closed the connection without an answer`,
  )
}
