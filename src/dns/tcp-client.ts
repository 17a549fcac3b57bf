import { randomInt } from 'node:crypto'
import { connect } from 'node:net'
import { TsnetError } from '../errors.ts'
import { isAnswerTo } from './answer.ts'
import { type Query, upstreamQuery } from './message.ts'
import { frame, readFrames } from './stream.ts'

/** One query by TCP on a connection of its own. Rejects when the server is unreachable or `signal` aborts. */
export async function askByTcp(address: string, query: Query, signal: AbortSignal): Promise<Buffer> {
  const id = randomInt(0x10000)
  const socket = connect({ host: address, port: 53, signal })
  try {
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
