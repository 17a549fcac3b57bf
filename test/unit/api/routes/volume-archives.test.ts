import { createHash } from 'node:crypto'
import { pino } from 'pino'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { createApiApp } from '../../../../src/api/server.ts'
import { createMemoryEngine } from '../memory-engine.ts'

const engine = createMemoryEngine()
const app = createApiApp({ engine, log: pino({ level: 'silent' }), version: '0' })
afterAll(() => app.close())
beforeEach(() => void engine.calls.splice(0))

const sha256 = createHash('sha256').update('arc').digest('hex')
const octets = { 'content-type': 'application/octet-stream' }
const exported = '/tsnet/v1/volumes/data/export'
const imported = '/tsnet/v1/volumes/data/import'

const messages = (body: string): unknown[] =>
  body
    .trim()
    .split('\r\n')
    .map((line) => JSON.parse(line) as unknown)

test('an export is the archive, or what is behind the part that is there', async () => {
  const whole = await app.inject(exported)
  expect(whole).toMatchObject({ statusCode: 200, body: 'archive' })
  expect(whole.headers['content-type']).toBe('application/zstd')
  const rest = await app.inject(`${exported}?offset=3&sha256=${sha256}`)
  expect(rest).toMatchObject({ statusCode: 200, body: 'hive' })
  expect(engine.calls.map(({ args }) => args)).toEqual([
    ['data', null],
    ['data', { offset: 3, sha256 }],
  ])
})

test('an export that begins otherwise by now is refused with 412', async () => {
  const answer = await app.inject(`${exported}?offset=4&sha256=${sha256}`)
  expect(answer.statusCode).toBe(412)
  expect(answer.json()).toEqual({ message: 'volume "data" has changed' })
})

test.each([
  'offset=3',
  `sha256=${sha256}`,
  `offset=0&sha256=${sha256}`,
  `offset=-1&sha256=${sha256}`,
  `offset=3&sha256=${sha256.toUpperCase()}`,
  'offset=3&sha256=abc',
])('a part of an export is not asked for by %s', async (query) => {
  const answer = await app.inject(`${exported}?${query}`)
  expect(answer.statusCode).toBe(400)
  expect(answer.json()).toEqual({ message: expect.stringMatching(/offset.*sha256/) })
  expect(engine.calls).toEqual([])
})

test('an upload comes in parts, tells how much there is, and becomes a volume', async () => {
  const token = 'ab'.repeat(16)
  const send = (offset: number, payload: string) =>
    app.inject({
      method: 'PATCH',
      url: `${imported}?token=${token}&offset=${offset}`,
      payload,
      headers: octets,
    })
  expect(await send(0, 'abc')).toMatchObject({ statusCode: 204, headers: { 'upload-offset': '3' } })
  const there = await app.inject({ method: 'HEAD', url: `${imported}?token=${token}` })
  expect(there).toMatchObject({ statusCode: 200, headers: { 'upload-offset': '3' } })
  expect((await send(3, 'def')).headers['upload-offset']).toBe('6')
  const options = encodeURIComponent(JSON.stringify({ size: '64m' }))
  const query = `token=${token}&options=${options}&labels=${encodeURIComponent('{"a":"b"}')}&maxSize=100&maxEntries=7&replace=1&now=1`
  const { body, statusCode } = await app.inject({ method: 'POST', url: `${imported}?${query}` })
  expect(statusCode).toBe(200)
  expect(messages(body)).toEqual([
    { id: 'data', status: 'Importing', progressDetail: { current: 5, total: 10 } },
    {
      aux: expect.objectContaining({
        Volume: expect.objectContaining({ Name: 'data', Options: { size: '64m' }, Labels: { a: 'b' } }),
        Kept: null,
        Verified: true,
        Entries: 1,
      }),
    },
  ])
  const wanted = {
    driver: '',
    options: { size: '64m' },
    labels: { a: 'b' },
    replace: true,
    now: true,
    maxSize: 100,
    maxEntries: 7,
  }
  expect(engine.calls).toContainEqual({ name: 'volume-import', args: ['data', 'abcdef', wanted] })
})

test('an import may be one request, whose archive’s own labels count', async () => {
  await app.inject({ method: 'POST', url: imported, payload: 'all', headers: octets })
  expect(engine.calls).toContainEqual({
    name: 'volume-import',
    args: ['data', 'all', expect.objectContaining({ labels: null, replace: false, maxSize: null })],
  })
})

test.each([
  ['options', '[]'],
  ['options', '{"a":1}'],
  ['labels', 'a=b'],
  ['labels', 'null'],
])('%s of an import are not %s', async (name, value) => {
  const answer = await app.inject({
    method: 'POST',
    url: `${imported}?token=${'0'.repeat(32)}&${name}=${encodeURIComponent(value)}`,
  })
  expect(answer.statusCode).toBe(400)
  expect(answer.json()).toEqual({ message: `invalid value for ${name}: a JSON object of texts is needed` })
  expect(engine.calls).toEqual([])
})
