import { pino } from 'pino'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { createApiApp } from '../../../../src/api/server.ts'
import { createMemoryEngine, demoImage, type MemoryEngine } from '../memory-engine.ts'

let engine: MemoryEngine
let app: ReturnType<typeof createApiApp>

beforeEach(async () => {
  await app?.close()
  engine = createMemoryEngine()
  app = createApiApp({ engine, log: pino({ level: 'silent' }), version: '0' })
})
afterAll(() => app.close())

const create = async (name: string, body: object = {}): Promise<string> => {
  const payload = { Image: 'demo', ...body }
  const answer = await app.inject({ method: 'POST', url: `/containers/create?name=${name}`, payload })
  expect(answer.statusCode).toBe(201)
  return answer.json().Id as string
}
const post = (url: string) => app.inject({ method: 'POST', url })

describe('create', () => {
  test('answers with the id and no warnings', async () => {
    const answer = await app.inject({ method: 'POST', url: '/containers/create', payload: { Image: 'demo' } })
    expect(answer.statusCode).toBe(201)
    expect(answer.json()).toEqual({ Id: expect.stringMatching(/^[0-9a-f]{64}$/), Warnings: [] })
  })

  test('of an image that is not there is 404, upon which clients pull', async () => {
    const answer = await app.inject({ method: 'POST', url: '/containers/create', payload: { Image: 'none' } })
    expect(answer.statusCode).toBe(404)
    expect(answer.json()).toEqual({ message: 'No such image: none' })
  })
})

describe('the life of a container', () => {
  test('starts once, and then answers that nothing changed', async () => {
    await create('web')
    expect((await post('/containers/web/start')).statusCode).toBe(204)
    const again = await post('/containers/web/start')
    expect(again.statusCode).toBe(304)
    expect(again.body).toBe('')
  })

  test.each([
    ['/v1.50/containers/web/stop?t=3&signal=INT', { signal: 'INT', timeout: 3 }],
    ['/v1.41/containers/web/stop?t=3&signal=INT', { signal: null, timeout: 3 }],
    ['/containers/web/stop', { signal: null, timeout: null }],
    ['/containers/web/stop?t=-1', { signal: null, timeout: -1 }],
  ])('%s stops with %j', async (url, options) => {
    await create('web')
    expect((await post(url)).statusCode).toBe(204)
    expect(engine.calls).toContainEqual({ name: 'stop', args: ['web', options] })
  })

  test('kills with SIGKILL unless told otherwise', async () => {
    await create('web')
    await post('/containers/web/kill')
    await post('/containers/web/kill?signal=USR1')
    expect(engine.calls.map(({ args }) => args[1])).toEqual(['SIGKILL', 'USR1'])
  })

  test('restarts, renames and removes', async () => {
    await create('web')
    expect((await post('/containers/web/restart?t=1')).statusCode).toBe(204)
    expect((await post('/containers/web/rename?name=other')).statusCode).toBe(204)
    const removed = await app.inject({ method: 'DELETE', url: '/containers/other?force=1&v=1' })
    expect(removed.statusCode).toBe(204)
    expect(engine.calls).toEqual([
      { name: 'restart', args: ['web', { signal: null, timeout: 1 }] },
      { name: 'remove', args: ['other', { force: true, volumes: true }] },
    ])
  })

  test('resizes its terminal', async () => {
    await create('web')
    expect((await post('/containers/web/resize?h=24&w=80')).statusCode).toBe(200)
    expect(engine.calls).toEqual([{ name: 'resize', args: ['web', 24, 80] }])
    expect((await post('/containers/web/resize?h=x&w=80')).statusCode).toBe(400)
  })
})

describe('the list', () => {
  const names = async (query: string): Promise<string[]> => {
    const answer = await app.inject(`/containers/json?${query}`)
    expect(answer.statusCode).toBe(200)
    return (answer.json() as { Names: string[] }[]).map((one) => one.Names[0]!)
  }

  test('shows what runs, and the rest when asked', async () => {
    await create('idle')
    await create('busy')
    await post('/containers/busy/start')
    expect(await names('')).toEqual(['/busy'])
    expect((await names('all=1')).sort()).toEqual(['/busy', '/idle'])
    expect(await names(`filters=${encodeURIComponent('{"status":["created"]}')}`)).toEqual(['/idle'])
    expect(await names('limit=1')).toHaveLength(1)
  })

  test('names an image by its id once the reference means another', async () => {
    const id = await create('web')
    const record = engine.records.get(id)!
    engine.records.set(id, { ...record, image: `sha256:${'9'.repeat(64)}` as typeof record.image })
    const [summary] = (await app.inject('/containers/json?all=1')).json() as [{ Image: string }]
    expect(summary.Image).toBe(`sha256:${'9'.repeat(64)}`)
  })

  test.each(['{"colour":["x"]}', '{"status":["happy"]}', '{"exited":["x"]}', '{"is-task":["x"]}'])(
    'refuses the filter %s',
    async (filters) => {
      const answer = await app.inject(`/containers/json?filters=${encodeURIComponent(filters)}`)
      expect(answer.statusCode).toBe(400)
      expect(answer.json().message).toMatch(/^invalid filter/)
    },
  )
})

test('inspect joins the record with its image and places', async () => {
  const id = await create('web', { HostConfig: { NetworkMode: 'default' } })
  await post('/containers/web/start')
  const answer = await app.inject('/containers/web/json')
  expect(answer.json()).toMatchObject({
    Id: id,
    Name: '/web',
    Image: demoImage.id,
    LogPath: `/root/containers/${id}/${id}-json.log`,
    GraphDriver: { Name: 'overlay2', Data: { LowerDir: '/root/layers/top:/root/layers/bottom' } },
    NetworkSettings: { SandboxKey: `/exec/netns/${id}` },
  })
})

describe('logs', () => {
  test('need a stream', async () => {
    await create('web')
    const answer = await app.inject('/containers/web/logs')
    expect(answer.statusCode).toBe(400)
    expect(answer.json().message).toBe('Bad parameters: you must choose at least one stream')
  })

  test.each([
    ['stdout=1', { stdout: true, stderr: false, timestamps: false, since: 0, until: 0, tail: -1 }],
    ['stderr=1&tail=all', { stdout: false, stderr: true, timestamps: false, since: 0, until: 0, tail: -1 }],
    [
      'stdout=1&stderr=1&tail=5&since=10.5&until=20&timestamps=1',
      { stdout: true, stderr: true, timestamps: true, since: 10.5, until: 20, tail: 5 },
    ],
  ])('are asked for by %s', async (query, options) => {
    await create('web')
    const answer = await app.inject(`/containers/web/logs?${query}`)
    expect(answer.rawPayload.subarray(8).toString()).toBe('line\n')
    expect(engine.calls[0]).toEqual({ name: 'logs', args: ['web', { ...options, follow: false }] })
  })
})

test('an unknown condition to wait for is refused', async () => {
  await create('web')
  const answer = await post('/containers/web/wait?condition=bored')
  expect(answer.statusCode).toBe(400)
  expect(answer.json().message).toBe('invalid condition: "bored"')
})
