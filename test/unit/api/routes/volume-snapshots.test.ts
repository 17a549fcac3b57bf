import { pino } from 'pino'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { createApiApp } from '../../../../src/api/server.ts'
import { createMemoryEngine } from '../memory-engine.ts'

const engine = createMemoryEngine()
const app = createApiApp({ engine, log: pino({ level: 'silent' }), version: '0' })
afterAll(() => app.close())
await engine.volumes.create({ name: 'data', driver: 'local', options: {}, labels: { a: '1' } })
beforeEach(() => void engine.calls.splice(0))

const messages = (body: string): unknown[] =>
  body
    .trim()
    .split('\r\n')
    .map((line) => JSON.parse(line) as unknown)

const copying = { id: 'data', status: 'Copying', progressDetail: { current: 5, total: 10 } }
const [snapshot] = engine.volumes.snapshots.list('data')
const monday = { Id: snapshot!.id, Name: 'monday', CreatedAt: snapshot!.createdAt, Size: 4096 }

test('a clone tells its progress and then the volume, and what was not given is the source’s', async () => {
  const url = '/tsnet/v1/volumes/data/clone'
  const { body, statusCode } = await app.inject({ method: 'POST', url, payload: { Name: 'copy' } })
  expect(statusCode).toBe(200)
  expect(messages(body)).toEqual([
    copying,
    { aux: expect.objectContaining({ Name: 'copy', Driver: 'local' }) },
  ])
  const clone = { name: 'copy', driver: '', options: null, labels: null }
  expect(engine.calls).toEqual([{ name: 'volume-clone', args: ['data', clone] }])
  const payload = { Name: 'copy', Driver: 'other', DriverOpts: {}, Labels: { b: '2' } }
  await app.inject({ method: 'POST', url, payload })
  const given = { name: 'copy', driver: 'other', options: {}, labels: { b: '2' } }
  expect(engine.calls[1]).toEqual({ name: 'volume-clone', args: ['data', given] })
})

test('snapshots are made, listed and removed', async () => {
  const url = '/tsnet/v1/volumes/data/snapshots'
  const payload = { Name: 'tuesday', Pause: true }
  const { body } = await app.inject({ method: 'POST', url, payload })
  expect(messages(body)).toEqual([copying, { aux: { ...monday, Name: 'tuesday' } }])
  expect((await app.inject(url)).json()).toEqual({ Snapshots: [monday] })
  expect((await app.inject({ method: 'DELETE', url: `${url}/monday` })).statusCode).toBe(204)
  expect(engine.calls).toEqual([
    { name: 'volume-snapshot', args: ['data', { name: 'tuesday', pause: true }] },
    { name: 'snapshot-remove', args: ['data', 'monday'] },
  ])
})

test('a rollback tells which snapshot holds what was there, or none', async () => {
  const url = '/tsnet/v1/volumes/data/rollback'
  const kept = await app.inject({ method: 'POST', url, payload: { Snapshot: 'monday' } })
  expect(messages(kept.body)).toEqual([{ aux: { Kept: monday } }])
  const now = await app.inject({ method: 'POST', url, payload: { Snapshot: 'monday', Now: true } })
  expect(messages(now.body)).toEqual([{ aux: { Kept: null } }])
  expect(engine.calls.map(({ args }) => args)).toEqual([
    ['data', 'monday', { now: false }],
    ['data', 'monday', { now: true }],
  ])
})
