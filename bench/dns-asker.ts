/**
 * Asks 127.0.0.11 from inside a container's network namespace: `nsenter --net=… node bench/dns-asker.ts`. Each message
 * names what to ask; when that is over it answers with what came of it.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { encode } from 'dns-packet'
import { quantile } from './measure.ts'

export interface Asking {
  /** Asked in turn; `*` in a name stands for a number that is never the same. */
  readonly names: readonly string[]
  readonly perSecond: number
  readonly seconds: number
}

export interface Asked {
  readonly sent: number
  readonly answered: number
  /** Answers other than NOERROR. */
  readonly refused: number
  /** Milliseconds. */
  readonly median: number
  readonly p99: number
}

/** Milliseconds to wait for what is on its way at the end: more than a server's second try takes. */
const patience = 2500

const socket = createSocket('udp4')
socket.connect(53, '127.0.0.11')
await once(socket, 'connect')

const sentAt = new Map<number, number>()
let took: number[] = []
let refused = 0
socket.on('message', (bytes) => {
  const began = sentAt.get(bytes.readUInt16BE(0))
  if (began === undefined) return
  sentAt.delete(bytes.readUInt16BE(0))
  took.push(performance.now() - began)
  if ((bytes.readUInt16BE(2) & 0xf) !== 0) refused++
})

/** Made before the clock runs: asking must cost next to nothing beside answering. */
function prepare({ names, perSecond, seconds }: Asking): Buffer[] {
  const first = Date.now()
  return Array.from({ length: perSecond * seconds }, (_, i) => {
    const name = names[i % names.length]!.replace('*', `n${first + i}`)
    return encode({ type: 'query', id: i & 0xffff, flags: 0x0100, questions: [{ type: 'A', name }] })
  })
}

async function ask(asking: Asking): Promise<Asked> {
  const queries = prepare(asking)
  took = []
  refused = 0
  const began = performance.now()
  const total = queries.length
  for (let sent = 0; sent < total; await sleep(1)) {
    const due = Math.min(total, ((performance.now() - began) / 1000) * asking.perSecond)
    for (; sent < due; sent++) {
      sentAt.set(sent & 0xffff, performance.now())
      socket.send(queries[sent]!)
    }
  }
  const end = performance.now() + patience
  while (sentAt.size > 0 && performance.now() < end) await sleep(5)
  sentAt.clear()
  const [median, p99] = [quantile(took, 0.5), quantile(took, 0.99)]
  return { sent: total, answered: took.length, refused, median, p99 }
}

process.on('message', async (asking: Asking) => process.send?.(await ask(asking)))
process.send?.('ready')
