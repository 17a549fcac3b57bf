import { pino } from 'pino'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { createApiApp } from '../../../../src/api/server.ts'
import { noRequest } from '../../../../src/engine/plan.ts'
import { createMemoryEngine, type MemoryEngine } from '../memory-engine.ts'
import { plainSpec } from '../wire/spec.ts'

let engine: MemoryEngine
let app: ReturnType<typeof createApiApp>

beforeEach(async () => {
  await app?.close()
  engine = createMemoryEngine()
  app = createApiApp({ engine, log: pino({ level: 'silent' }), version: '0' })
})
afterAll(() => app.close())

const post = (url: string, payload: object) => app.inject({ method: 'POST', url, payload })

test('a network is made, listed, inspected with who is on it, and removed', async () => {
  const created = await post('/networks/create', { Name: 'net', Labels: { a: '1' } })
  expect(created.statusCode).toBe(201)
  const { Id } = created.json()
  expect(created.json()).toEqual({ Id, Warning: '' })
  const { id } = await engine.containers.create({ ...plainSpec, networkMode: 'net' }, 'web')
  await engine.containers.start(id)

  const { Status, ...inspected } = (await app.inject('/networks/net')).json()
  expect(Status).toEqual({ IPAM: { Subnets: {} } })
  expect((await app.inject('/v1.49/networks/net')).json()).toEqual(inspected)
  expect((await app.inject('/v1.49/networks/net?scope=local')).json()).toEqual(inspected)
  const elsewhere = await app.inject('/networks/net?scope=swarm')
  expect([elsewhere.statusCode, elsewhere.json()]).toEqual([404, { message: 'network net not found' }])
  expect(inspected).toMatchObject({
    Name: 'net',
    Id,
    Labels: { a: '1' },
    Containers: { [id]: { Name: 'web' } },
  })
  const list = (await app.inject('/networks?filters={"label":["a=1"]}')).json()
  expect(list).toEqual([{ ...inspected, Containers: {} }])
  expect((await app.inject('/v1.27/networks?filters={"name":["net"]}')).json()).toEqual([inspected])

  expect((await app.inject({ method: 'DELETE', url: `/networks/${Id}` })).statusCode).toBe(204)
  expect((await app.inject(`/networks/${Id}`)).statusCode).toBe(404)
})

describe('connecting', () => {
  test('passes on what the endpoint shall be', async () => {
    const EndpointConfig = {
      IPAMConfig: { IPv4Address: '10.0.0.5' },
      Aliases: ['db'],
      MacAddress: '02-AA-00-00-00-01',
      DriverOpts: { k: 'v' },
      GwPriority: 0,
      NetworkID: '',
    }
    const answer = await post('/networks/bridge/connect', { Container: 'web', EndpointConfig })
    expect(answer.statusCode).toBe(200)
    const request = {
      address4: '10.0.0.5',
      address6: null,
      mac: '02:aa:00:00:00:01',
      linkLocal: [],
      aliases: ['db'],
      links: [],
      gatewayPriority: 0,
      options: { k: 'v' },
    }
    expect(engine.calls).toEqual([{ name: 'connect', args: ['bridge', 'web', request] }])
  })

  test('needs no settings', async () => {
    await post('/networks/bridge/connect', { Container: 'web' })
    expect(engine.calls).toEqual([{ name: 'connect', args: ['bridge', 'web', noRequest] }])
  })

  test('is undone by disconnecting', async () => {
    expect((await post('/networks/bridge/disconnect', { Container: 'web', Force: true })).statusCode).toBe(
      200,
    )
    expect(engine.calls).toEqual([{ name: 'disconnect', args: ['bridge', 'web', true] }])
  })
})
