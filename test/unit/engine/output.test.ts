import { once } from 'node:events'
import { duplexPair, Readable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { replayThenLive } from '../../../src/engine/output.ts'

test('what was logged comes before what is written now, whenever that came', async () => {
  const [live, program] = duplexPair()
  program.end('live')
  const both = replayThenLive(Readable.from([Buffer.from('past ')]), live)
  both.end()
  expect(await text(both)).toBe('past live')
})

test('input arrives while the log is still being read', async () => {
  const [live, program] = duplexPair()
  const { promise, resolve } = Promise.withResolvers<void>()
  const past = Readable.from(
    (async function* () {
      await promise
      yield Buffer.from('past ')
    })(),
  )
  const both = replayThenLive(past, live)
  both.end('typed')
  // The end of the input arrives too, and does not end the output.
  let typed = ''
  program.on('data', (chunk: Buffer) => {
    typed += chunk.toString()
  })
  await once(program, 'end')
  expect(typed).toBe('typed')
  resolve()
  program.end('answer')
  expect(await text(both)).toBe('past answer')
})

test('megabytes of both come whole and in order', async () => {
  const [live, program] = duplexPair()
  const chunk = Buffer.alloc(100_000, 'x')
  const past = Readable.from(Array.from({ length: 30 }, () => chunk))
  Readable.from(Array.from({ length: 30 }, () => Buffer.alloc(100_000, 'y'))).pipe(program)
  const both = replayThenLive(past, live)
  both.end()
  const all = await buffer(both)
  expect(all).toHaveLength(6_000_000)
  expect(all.lastIndexOf('x')).toBe(2_999_999)
  expect(all.indexOf('y')).toBe(3_000_000)
})

test('a log that cannot be read breaks the stream, and nothing else', async () => {
  const [live] = duplexPair()
  const past = new Readable({ read: () => past.destroy(new Error('disk is broken')) })
  const both = replayThenLive(past, live)
  await expect(text(both)).rejects.toThrow('disk is broken')
  expect(live.destroyed).toBe(true)
})

test('a client that goes lets the program’s stream go', async () => {
  const [live] = duplexPair()
  const both = replayThenLive(Readable.from([Buffer.from('past')]), live)
  const closed = new Promise((resolve) => live.once('close', resolve))
  both.on('error', () => {})
  both.destroy()
  await closed
})
