import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createDemultiplexer } from '../../../src/cli/frames.ts'

function frame(stream: number, text: string): Buffer {
  const header = Buffer.alloc(8)
  header[0] = stream
  header.writeUInt32BE(Buffer.byteLength(text), 4)
  return Buffer.concat([header, Buffer.from(text)])
}

/** What arrives on each stream when the bytes come cut at the given places. */
function receive(bytes: Buffer, cuts: readonly number[]): Record<number, string> {
  const got: Record<number, string> = { 1: '', 2: '' }
  const take = createDemultiplexer((stream, payload) => {
    got[stream] += payload.toString('latin1')
  })
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  for (const [index, place] of places.slice(1).entries()) take(bytes.subarray(places[index], place))
  return got
}

test('frames reach their streams whole wherever the chunks are cut', () => {
  const parts = fc.array(fc.tuple(fc.constantFrom(1, 2), fc.string({ unit: 'binary-ascii' })))
  fc.assert(
    fc.property(parts, fc.array(fc.nat()), (frames, cuts) => {
      const bytes = Buffer.concat(frames.map(([stream, text]) => frame(stream, text)))
      const sent = (wanted: number) =>
        frames.flatMap(([stream, text]) => (stream === wanted ? text : [])).join('')
      expect(receive(bytes, cuts)).toEqual({ 1: sent(1), 2: sent(2) })
    }),
  )
})

test('an error of the daemon’s own is thrown', () => {
  expect(() => receive(frame(3, 'no log'), [])).toThrow('error from daemon in stream: no log')
})

test('bytes that are no frame are refused', () => {
  expect(() => receive(Buffer.from('HTTP/1.1 500 '), [])).toThrow('unrecognized input header: 72')
})
