import { pino } from 'pino'
import { afterAll, describe, expect, test } from 'vitest'
import { createApiApp } from '../../../src/api/server.ts'
import { createMemoryEngine } from './memory-engine.ts'

const engine = createMemoryEngine()
const app = createApiApp({ engine, log: pino({ level: 'silent' }), version: '1.2.3' })
afterAll(() => app.close())

describe('every answer', () => {
  test.each(['/_ping', '/v1.30/version', '/containers/none/json'])('to %s tells who speaks', async (url) => {
    const { headers } = await app.inject(url)
    expect(headers).toMatchObject({
      'api-version': '1.50',
      ostype: 'linux',
      server: 'tsnet/1.2.3 (linux)',
      'docker-experimental': 'false',
    })
  })

  test('of JSON has the bare type that clients compare with', async () => {
    expect((await app.inject('/version')).headers['content-type']).toBe('application/json')
    expect((await app.inject('/containers/none/json')).headers['content-type']).toBe('application/json')
  })
})

describe('a page', () => {
  test.each([
    ['GET', '/nothing'],
    ['GET', '/v1.40/nothing'],
    ['GET', '/v9.9/nothing'],
    ['PATCH', '/containers/json'],
    ['GET', '/images/a/b/nothing'],
  ] as const)('that is not there is not found: %s %s', async (method, url) => {
    const answer = await app.inject({ method, url })
    expect(answer.statusCode).toBe(404)
    expect(answer.json()).toEqual({ message: 'page not found' })
  })

  test.each(['1.51', '1.23'])('in version %s is a bad request', async (version) => {
    const answer = await app.inject(`/v${version}/info`)
    expect(answer.statusCode).toBe(400)
    expect(answer.json().message).toMatch(`client version ${version} is too`)
  })

  test.each([
    ['POST', '/v1.45/build?t=x', 'building images is not supported by tsnet'],
    ['POST', '/session', 'building images is not supported by tsnet'],
    ['GET', '/containers/a/top', 'listing processes is not supported by tsnet'],
    ['POST', '/swarm/init', 'swarm mode is not supported by tsnet'],
    ['GET', '/plugins/a/json', 'plugin management is not supported by tsnet'],
  ] as const)('of Docker that is not served says so: %s %s', async (method, url, message) => {
    const answer = await app.inject({ method, url, payload: 'anything', headers: { 'content-type': 'x/y' } })
    expect(answer.statusCode).toBe(501)
    expect(answer.json()).toEqual({ message })
  })
})

describe('a body', () => {
  const create = (payload: string, type = 'application/json') =>
    app.inject({ method: 'POST', url: '/containers/create', payload, headers: { 'content-type': type } })

  test.each([
    ['{', 'invalid JSON: '],
    ['[]', 'invalid JSON: the body must be object'],
    ['{"Image":5}', 'invalid JSON: Image must be string'],
    ['{"HostConfig":{"Memory":"1g"}}', 'invalid JSON: HostConfig.Memory must be integer'],
    ['', 'config cannot be empty in order to create a container'],
    ['{}', 'config cannot be empty in order to create a container'],
  ])('of %s is refused', async (payload, message) => {
    const answer = await create(payload)
    expect(answer.statusCode).toBe(400)
    expect(answer.json().message).toMatch(message)
  })

  test('an empty body of any type is taken, as older docker clients send it', async () => {
    const answer = await create('', 'text/plain')
    expect(answer.json().message).not.toMatch(/Content-Type/)
  })

  test('of another type is refused', async () => {
    const answer = await create('{"Image":"demo"}', 'text/plain')
    expect(answer.statusCode).toBe(400)
    expect(answer.json().message).toBe("unsupported Content-Type header: must be 'application/json'")
  })

  test('beyond the limit is refused', async () => {
    const answer = await create(JSON.stringify({ Image: 'x'.repeat(17 * 1024 * 1024) }))
    expect(answer.statusCode).toBe(413)
  })

  test('may have unknown fields, and null where something else is expected', async () => {
    const payload = { Image: 'demo', Cmd: null, Novelty: 1, HostConfig: { Binds: null, Surprise: {} } }
    expect((await create(JSON.stringify(payload))).statusCode).toBe(201)
  })

  test('cannot reach an object prototype', async () => {
    await create('{"Image":"demo","__proto__":{"polluted":true},"Labels":{"__proto__":"x"}}')
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })
})

test('ten thousand published ports pass, as one binding', async () => {
  const ports = Array.from({ length: 10_000 }, (_, index) => `${20_000 + index}`)
  const payload = {
    Image: 'demo',
    ExposedPorts: Object.fromEntries(ports.map((port) => [`${port}/udp`, {}])),
    HostConfig: {
      PortBindings: Object.fromEntries(ports.map((port) => [`${port}/udp`, [{ HostPort: port }]])),
    },
  }
  const answer = await app.inject({ method: 'POST', url: '/containers/create?name=wide', payload })
  expect(answer.statusCode).toBe(201)
  expect(engine.containers.get('wide').spec.ports).toEqual([
    {
      protocol: 'udp',
      containerPort: 20_000,
      hostAddress: '',
      hostInterface: '',
      sources: [],
      hostPolicy: '',
      hostPort: 20_000,
      hostPortEnd: 29_999,
      count: 10_000,
    },
  ])
})
