import { pino } from 'pino'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { createApiApp } from '../../../../src/api/server.ts'
import { TsnetError } from '../../../../src/errors.ts'
import { createMemoryEngine, demoImage, type MemoryEngine } from '../memory-engine.ts'

let engine: MemoryEngine
let app: ReturnType<typeof createApiApp>

beforeEach(async () => {
  await app?.close()
  engine = createMemoryEngine()
  app = createApiApp({ engine, log: pino({ level: 'silent' }), version: '0' })
})
afterAll(() => app.close())

const post = (url: string, payload?: string) =>
  app.inject({
    method: 'POST',
    url,
    ...(payload !== undefined && { payload, headers: { 'content-type': 'application/x-tar' } }),
  })
const lines = (body: string): unknown[] =>
  body
    .split('\r\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))

describe('the list', () => {
  test('tells size and names', async () => {
    const answer = await app.inject('/images/json')
    expect(answer.json()).toMatchObject([
      { Id: demoImage.id, RepoTags: ['demo:latest', 'demo:1'], Size: 12345 },
    ])
    expect(answer.json()[0]).not.toHaveProperty('VirtualSize')
  })

  test('tells the size twice to old clients', async () => {
    expect((await app.inject('/v1.43/images/json')).json()).toMatchObject([
      { Size: 12345, VirtualSize: 12345 },
    ])
  })

  test('takes the name filter of old clients', async () => {
    expect((await app.inject('/v1.40/images/json?filter=other')).json()).toEqual([])
    expect((await app.inject('/v1.41/images/json?filter=other')).json()).toHaveLength(1)
  })
})

describe('one image', () => {
  test('is inspected by a name with slashes', async () => {
    const answer = await app.inject('/images/docker.io/library/demo:1/json')
    expect(answer.json()).toMatchObject({ Id: demoImage.id, Config: { Cmd: ['serve'], Custom: true } })
  })

  test('has a history, newest first', async () => {
    const history = (await app.inject('/images/demo/history')).json()
    expect(history).toMatchObject([
      { Id: demoImage.id, Comment: 'second', Tags: ['demo:latest', 'demo:1'] },
      { Id: '<missing>', CreatedBy: 'ADD', Size: 0, Created: 1767225600 },
    ])
  })

  test('is tagged', async () => {
    expect((await post('/images/demo/tag?repo=localhost:5000/a/b&tag=v2')).statusCode).toBe(201)
    expect(engine.calls).toEqual([{ name: 'tag', args: ['demo', 'localhost:5000/a/b:v2'] }])
  })

  test('is removed, and what that did is told', async () => {
    const answer = await app.inject({ method: 'DELETE', url: '/images/a/b:1?force=1&noprune=1' })
    expect(answer.json()).toEqual([{ Untagged: 'a/b:1' }, { Deleted: demoImage.id }])
    expect(engine.calls).toEqual([{ name: 'image-remove', args: ['a/b:1', { force: true, prune: false }] }])
  })

  test('is not pushed', async () => {
    const answer = await post('/images/a/b/push')
    expect(answer.statusCode).toBe(501)
    expect(answer.json().message).toBe('pushing images is not supported: save and copy them')
  })

  test.each([
    ['/images/get?names=demo&names=other', 'archive of demo and other'],
    ['/images/a/demo:1/get', 'archive of a/demo:1'],
  ])('is saved by %s', async (url, body) => {
    const answer = await app.inject(url)
    expect(answer.headers['content-type']).toBe('application/x-tar')
    expect(answer.body).toBe(body)
  })
})

describe('a pull', () => {
  const auth = Buffer.from('{"username":"me","password":"secret"}').toString('base64url')

  test('passes on reference, platform and credentials', async () => {
    await app.inject({
      method: 'POST',
      url: '/images/create?fromImage=docker.io%2Flibrary%2Fdemo&tag=2&platform=linux/arm64',
      headers: { 'x-registry-auth': auth },
    })
    const credentials = { username: 'me', password: 'secret', identityToken: '' }
    expect(engine.calls).toEqual([
      { name: 'pull', args: ['docker.io/library/demo:2', 'linux/arm64', credentials] },
    ])
  })

  test('by digest joins it as such', async () => {
    await post(`/images/create?fromImage=demo&tag=sha256:${'0'.repeat(64)}`)
    expect(engine.calls[0]?.args[0]).toBe(`demo@sha256:${'0'.repeat(64)}`)
  })

  test('streams its progress', async () => {
    engine.pull = async (progress) => {
      progress({ id: '', status: 'Pulling from demo', current: 0, total: 0 })
      progress({ id: 'layer', status: 'Downloading', current: 5, total: 10 })
      progress({ id: 'layer', status: 'Pull complete', current: 0, total: 0 })
    }
    const answer = await post('/images/create?fromImage=demo&tag=1')
    expect(answer.headers['content-type']).toBe('application/json')
    expect(lines(answer.body)).toEqual([
      { status: 'Pulling from demo' },
      { status: 'Downloading', progressDetail: { current: 5, total: 10 }, id: 'layer' },
      { status: 'Pull complete', progressDetail: {}, id: 'layer' },
    ])
  })

  test('that fails before anything was told is an ordinary error', async () => {
    engine.pull = async () => {
      throw new TsnetError('not-found', 'none', 'pull access denied for demo')
    }
    const answer = await post('/images/create?fromImage=demo')
    expect(answer.statusCode).toBe(404)
    expect(answer.json()).toEqual({ message: 'pull access denied for demo' })
  })

  test('that fails later says so in its last line', async () => {
    engine.pull = async (progress) => {
      progress({ id: '', status: 'Pulling', current: 0, total: 0 })
      throw new Error('connection reset')
    }
    const answer = await post('/images/create?fromImage=demo')
    expect(answer.statusCode).toBe(200)
    expect(lines(answer.body)).toEqual([
      { status: 'Pulling' },
      { errorDetail: { message: 'connection reset' }, error: 'connection reset' },
    ])
  })
})

describe('archives', () => {
  test('are loaded from the body, whatever its size and type', async () => {
    const answer = await post('/images/load', 'x'.repeat(20 * 1024 * 1024))
    const size = 20 * 1024 * 1024
    expect(lines(answer.body)).toEqual([
      { status: 'Loading layer', progressDetail: { current: size, total: size }, id: 'layer' },
      { stream: 'Loaded image: demo:latest\n' },
      { stream: `Loaded image ID: ${demoImage.id}\n` },
    ])
  })

  test('are loaded without a word on the way when that is wanted', async () => {
    const answer = await post('/images/load?quiet=1', 'x')
    expect(lines(answer.body).map((line) => Object.keys(line as object))).toEqual([['stream'], ['stream']])
  })

  test('of a root file system are imported with their changes', async () => {
    const answer = await post('/images/create?fromSrc=-&repo=a/b:c&changes=CMD%20x&changes=USER%20y', 'tar')
    expect(lines(answer.body)).toEqual([{ status: demoImage.id }])
    const options = { ref: 'a/b:c', message: 'Imported from -', changes: ['CMD x', 'USER y'], platform: '' }
    expect(engine.calls).toEqual([{ name: 'import', args: ['tar', options] }])
  })

  test('are not fetched from elsewhere', async () => {
    const answer = await post('/images/create?fromSrc=http://x/y.tar')
    expect(answer.statusCode).toBe(501)
    expect(answer.json().message).toMatch("importing from 'http://x/y.tar' is not supported")
  })
})
