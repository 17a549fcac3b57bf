/**
 * One end of a way between two containers: `nsenter --net=… node bench/cluster-peer.ts`. Takes whatever is sent to its port and says when it
 * has it; sends on request, and answers with the milliseconds.
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export const PEER_PORT = 5101
/** An exchange begins with a byte that says of which kind it is. */
const BULK = 1
const ECHO = 2
const CHUNK = Buffer.alloc(1 << 20)

export type PeerQuestion =
  /** How long so many MiB take until the other end has them. */
  | { readonly bulk: string; readonly mebibytes: number }
  /** How long so many exchanges of a byte take, one after the other. */
  | { readonly echo: string; readonly count: number }
  /** From now on an address is looked for all the time; answers when that has begun. */
  | { readonly seek: string }
  /** When it was found, in milliseconds since 1970, until now. */
  | { readonly found: true }

function serve(socket: Socket): void {
  socket.setNoDelay()
  socket.on('error', () => {})
  socket.once('data', (first: Buffer) => {
    if (first[0] === ECHO) {
      // the first byte to echo may have come along
      if (first.length > 1) socket.write(first.subarray(1))
      socket.on('data', (data) => socket.write(data))
    } else {
      socket.resume()
      socket.once('end', () => socket.end('.'))
    }
  })
}

async function open(address: string, kind: number): Promise<Socket> {
  const socket = connect(PEER_PORT, address)
  await once(socket, 'connect')
  socket.setNoDelay()
  socket.write(Uint8Array.of(kind))
  return socket
}

async function sendBulk(address: string, mebibytes: number): Promise<number> {
  const socket = await open(address, BULK)
  const began = performance.now()
  for (let sent = 0; sent < mebibytes; sent++) if (!socket.write(CHUNK)) await once(socket, 'drain')
  socket.end()
  await once(socket, 'data')
  return performance.now() - began
}

async function exchange(address: string, count: number): Promise<number> {
  const socket = await open(address, ECHO)
  const began = performance.now()
  for (let done = 0; done < count; done++) {
    socket.write('.')
    await once(socket, 'data')
  }
  const took = performance.now() - began
  socket.destroy()
  return took
}

const SEEK_MS = 5

/** Whoever refuses a connection is there. */
class Seeker {
  readonly found: number[] = []
  readonly #timer: NodeJS.Timeout

  constructor(address: string) {
    this.#timer = setInterval(() => this.#look(address), SEEK_MS)
  }

  #look(address: string): void {
    const socket = connect({ port: PEER_PORT, host: address })
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'ECONNREFUSED') this.found.push(performance.timeOrigin + performance.now())
    })
    setTimeout(() => socket.destroy(), 100)
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

let seeker: Seeker | null = null

async function answer(question: PeerQuestion): Promise<number | number[]> {
  if ('bulk' in question) return await sendBulk(question.bulk, question.mebibytes)
  if ('echo' in question) return await exchange(question.echo, question.count)
  seeker?.stop()
  const { found = [] } = seeker ?? {}
  seeker = 'seek' in question ? new Seeker(question.seek) : null
  return found
}

if (import.meta.main) {
  const server = createServer({ allowHalfOpen: true }, serve).listen(PEER_PORT, '0.0.0.0')
  await once(server, 'listening')
  process.on('message', async (question: PeerQuestion) => process.send?.(await answer(question)))
  process.on('disconnect', () => process.exit(0))
  process.send?.('ready')
}
