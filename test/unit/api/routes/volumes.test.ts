import { pino } from 'pino'
import { afterAll, expect, test } from 'vitest'
import { createApiApp } from '../../../../src/api/server.ts'
import { createMemoryEngine } from '../memory-engine.ts'
import { mount, plainSpec } from '../wire/spec.ts'

const engine = createMemoryEngine()
const app = createApiApp({ engine, log: pino({ level: 'silent' }), version: '0' })
afterAll(() => app.close())

test('a volume is made, listed, inspected and removed', async () => {
  const payload = { Name: 'data', DriverOpts: { type: 'tmpfs' }, Labels: { a: '1' } }
  const created = await app.inject({ method: 'POST', url: '/volumes/create', payload })
  expect(created.statusCode).toBe(201)
  const volume = {
    CreatedAt: '2026-01-01T00:00:00Z',
    Driver: 'local',
    Labels: { a: '1' },
    Mountpoint: '/root/volumes/data/_data',
    Name: 'data',
    Options: { type: 'tmpfs' },
    Scope: 'local',
  }
  expect(created.json()).toEqual(volume)
  expect((await app.inject('/volumes/data')).json()).toEqual(volume)
  expect((await app.inject('/volumes')).json()).toEqual({ Volumes: [volume], Warnings: null })

  const removed = await app.inject({ method: 'DELETE', url: '/volumes/data?force=1' })
  expect(removed.statusCode).toBe(204)
  expect(engine.calls).toEqual([{ name: 'volume-remove', args: ['data', { force: true, now: false }] }])
  expect((await app.inject('/volumes/data')).statusCode).toBe(404)
})

test('an empty body makes an anonymous volume', async () => {
  const created = await app.inject({ method: 'POST', url: '/volumes/create' })
  expect(created.statusCode).toBe(201)
  expect(created.json()).toMatchObject({
    Name: expect.stringMatching(/^[0-9a-f]{64}$/),
    Labels: null,
    Options: null,
  })
})

test('dangling volumes are those that no container mounts', async () => {
  const name = (await app.inject({ method: 'POST', url: '/volumes/create' })).json().Name as string
  const list = async (value: string): Promise<string[]> =>
    (await app.inject(`/volumes?filters={"dangling":["${value}"]}`))
      .json()
      .Volumes.map((one: { Name: string }) => one.Name)
  await engine.containers.create({ ...plainSpec, mounts: [mount({ source: name, target: '/x' })] }, 'user')
  expect(await list('false')).toEqual([name])
  expect(await list('true')).not.toContain(name)
})
