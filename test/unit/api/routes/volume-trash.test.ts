import { pino } from 'pino'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { createApiApp } from '../../../../src/api/server.ts'
import { newId } from '../../../../src/values/id.ts'
import { createMemoryEngine } from '../memory-engine.ts'

const engine = createMemoryEngine()
const app = createApiApp({ engine, log: pino({ level: 'silent' }), version: '0' })
afterAll(() => app.close())

const origin = { container: 'web', image: 'nginx', target: '/data' }
const volume = {
  ...(await engine.volumes.create({ name: 'data', driver: 'local', options: {}, labels: { a: '1' } })),
  origin,
  id: newId(),
}
engine.trashed.push({
  volume,
  removedAt: '2026-01-02T00:00:00.000Z',
  size: 5,
} as (typeof engine.trashed)[number])
beforeEach(() => void engine.calls.splice(0))

describe('the trash', () => {
  const item = {
    Id: volume.id,
    Name: 'data',
    Driver: 'local',
    Labels: { a: '1' },
    Options: null,
    CreatedAt: '2026-01-01T00:00:00Z',
    Origin: { Container: 'web', Image: 'nginx', Target: '/data' },
    Size: 5,
    RemovedAt: '2026-01-02T00:00:00.000Z',
    EndsAt: '2026-01-03T00:00:00.000Z',
  }

  test.each([
    ['', [item]],
    ['?filters={"name":["dat"],"label":["a=1"],"driver":["local"]}', [item]],
    ['?filters={"label":["a=2"]}', []],
  ])('is listed%s', async (query, items) => {
    expect((await app.inject(`/tsnet/v1/volumes/trash${query}`)).json()).toEqual({ Volumes: items })
  })

  test('gives back by name, also under another one', async () => {
    const url = '/tsnet/v1/volumes/trash/data/restore'
    expect((await app.inject({ method: 'POST', url })).json()).toMatchObject({ Name: 'data' })
    await app.inject({ method: 'POST', url: `${url}?as=new` })
    expect(engine.calls).toEqual([
      { name: 'volume-restore', args: ['data', ''] },
      { name: 'volume-restore', args: ['data', 'new'] },
    ])
  })

  test.each(['', '/data'])('is emptied at trash%s, and tells what that gave', async (path) => {
    const answer = await app.inject({ method: 'DELETE', url: `/tsnet/v1/volumes/trash${path}` })
    expect(answer.json()).toEqual({
      VolumesDeleted: ['data'],
      SpaceReclaimed: 5,
      Volumes: [{ Name: 'data', Size: 5, Origin: item.Origin }],
    })
  })
})

describe('a prune', () => {
  const prune = async (path: string) => (await app.inject({ method: 'POST', url: path })).json()

  test.each([
    ['/v1.41/volumes/prune', ['data']],
    ['/v1.42/volumes/prune', null],
    ['/v1.42/volumes/prune?filters={"all":["true"]}', ['data']],
    ['/v1.41/volumes/prune?filters={"all":["false"]}', null],
    ['/volumes/prune?filters={"all":["true"],"label":["a"]}', ['data']],
    ['/volumes/prune?filters={"all":["true"],"label!":["a=1"]}', null],
  ])('%s takes %j', async (path, names) => {
    expect(await prune(path)).toMatchObject({ VolumesDeleted: names, SpaceReclaimed: names ? 4096 : 0 })
  })

  test('is told whether it is only to tell, and whether the trash is left out', async () => {
    await prune('/volumes/prune?dryRun=1')
    await prune('/volumes/prune?now=1')
    expect(engine.calls).toEqual([
      { name: 'volume-prune', args: [{ dryRun: true, now: false }] },
      { name: 'volume-prune', args: [{ dryRun: false, now: true }] },
    ])
  })
})

describe('a volume', () => {
  test.each([
    [{}, { labelsAdd: {}, labelsRemove: [], protected: null, size: '' }],
    [
      { LabelsAdd: { b: '2' }, LabelsRemove: ['a'], Protected: false, Size: '1g' },
      { labelsAdd: { b: '2' }, labelsRemove: ['a'], protected: false, size: '1g' },
    ],
  ])('is changed by %j', async (payload, change) => {
    await app.inject({ method: 'POST', url: '/tsnet/v1/volumes/data/update', payload })
    expect(engine.calls).toEqual([{ name: 'volume-update', args: ['data', change] }])
  })

  test('gets another name', async () => {
    const payload = { Name: 'new' }
    const answer = await app.inject({ method: 'POST', url: '/tsnet/v1/volumes/data/rename', payload })
    expect(answer.json()).toMatchObject({ Name: 'new' })
  })

  test('is made protected, and says so', async () => {
    const payload = { Name: 'safe', Protected: true }
    const made = await app.inject({ method: 'POST', url: '/volumes/create', payload })
    expect(made.json()).toMatchObject({ Name: 'safe', Protected: true })
  })
})
