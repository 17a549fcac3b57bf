import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { MoveChannel } from '../../../../src/engine/moves/channel.ts'
import { connectOnce, listenOnce } from '../../../../src/engine/moves/link.ts'
import { TsnetError } from '../../../../src/errors.ts'

const secret = randomBytes(32)

/** Both ends of a connection. */
async function join(): Promise<readonly [MoveChannel, MoveChannel]> {
  const listening = await listenOnce('127.0.0.1', secret)
  const [there, here] = await Promise.all([
    connectOnce('127.0.0.1', listening.port, secret),
    listening.connected,
  ])
  return [new MoveChannel(there, 'h2'), new MoveChannel(here, 'h1')]
}

it('messages and streams arrive in the order in which they were sent, whole', async () => {
  const [one, other] = await join()
  const parts = Array.from({ length: 40 }, () => randomBytes(100_000))
  const sent: number[] = []
  one.send({ part: 'root' })
  const sending = one.sendStream(Readable.from(parts), (bytes) => sent.push(bytes))
  expect(await other.receive()).toEqual({ part: 'root' })
  const stream = await other.receiveStream()
  expect((await buffer(stream)).equals(Buffer.concat(parts))).toBe(true)
  await sending
  expect(sent.at(-1)).toBe(4_000_000)
  one.send({ last: true })
  expect(await other.receive()).toEqual({ last: true })
  other.send({ back: 1 })
  expect(await one.receive()).toEqual({ back: 1 })
  one[Symbol.dispose]()
  await expect(other.receive()).rejects.toThrow('host h1 is lost: it has ended the connection')
})

it('a sender waits while nobody reads what it sends', async () => {
  const [one, other] = await join()
  let sent = 0
  const endless = Readable.from(
    (function* () {
      for (;;) yield Buffer.alloc(1 << 20)
    })(),
  )
  const sending = one.sendStream(endless, (bytes) => {
    sent = bytes
  })
  sending.catch(() => {})
  const stream = await other.receiveStream()
  for (let before = -1; before !== sent; await sleep(100)) before = sent
  expect(sent).toBeLessThan(32 << 20)
  // What nobody wants any more does not hold up the connection.
  stream.destroy()
  const before = sent
  while (sent < before + (16 << 20)) await sleep(10)
  other[Symbol.dispose]()
  one[Symbol.dispose]()
  await expect(sending).rejects.toThrow('host h2 is lost')
})

it('a stream that breaks off fails, and so does who waits for the next message', async () => {
  const [one, other] = await join()
  async function* broken(): AsyncGenerator<Buffer> {
    yield Buffer.alloc(10)
    throw new Error('the disk is gone')
  }
  await expect(one.sendStream(Readable.from(broken()), () => {})).rejects.toThrow('the disk is gone')
  const stream = await other.receiveStream()
  one[Symbol.dispose]()
  await expect(buffer(stream)).rejects.toThrow('host h1 is lost')
})

it('what went wrong on the other host is thrown here with its kind and code', async () => {
  const [one, other] = await join()
  one.sendFailure(new TsnetError('unavailable', 'no-space', 'no space left'))
  await expect(other.receive()).rejects.toMatchObject({
    kind: 'unavailable',
    code: 'no-space',
    message: 'no space left',
  })
  one[Symbol.dispose]()
})

it('who does not know the secret is not let in, and the one who does comes still', async () => {
  const listening = await listenOnce('127.0.0.1', secret)
  await expect(connectOnce('127.0.0.1', listening.port, randomBytes(32))).rejects.toThrow(
    `127.0.0.1 cannot be reached at TCP port ${listening.port}`,
  )
  const plain = connect(listening.port, '127.0.0.1')
  plain.write('GET / HTTP/1.1\r\n\r\n')
  plain.resume()
  await once(plain, 'close')
  const [socket] = await Promise.all([connectOnce('127.0.0.1', listening.port, secret), listening.connected])
  await expect(connectOnce('127.0.0.1', listening.port, secret)).rejects.toThrow('ECONNREFUSED')
  socket.destroy()
})
