import { pino } from 'pino'
import { afterAll, describe, expect, test } from 'vitest'
import { createApiApp } from '../../../../src/api/server.ts'
import { createMemoryEngine, demoImage } from '../memory-engine.ts'
import { mount, plainSpec } from '../wire/spec.ts'

const engine = createMemoryEngine()
const app = createApiApp({ engine, log: pino({ level: 'silent' }), version: '1.2.3' })
afterAll(() => app.close())

describe('ping', () => {
  test('says OK to GET, and nothing to HEAD', async () => {
    const get = await app.inject('/_ping')
    expect(get.body).toBe('OK')
    const head = await app.inject({ method: 'HEAD', url: '/v1.24/_ping' })
    expect(head.statusCode).toBe(200)
    expect(head.body).toBe('')
    expect(head.headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'content-length': '0',
      'cache-control': 'no-cache, no-store, must-revalidate',
      swarm: 'inactive',
    })
  })
})

test('version tells the versions spoken, twice', async () => {
  const answer = (await app.inject('/version')).json()
  expect(answer).toMatchObject({ Version: '1.2.3', ApiVersion: '1.50', MinAPIVersion: '1.24', Os: 'linux' })
  expect(answer.Components).toMatchObject([
    { Name: 'Engine', Version: '1.2.3', Details: { ApiVersion: '1.50' } },
  ])
})

describe('info', () => {
  test('counts what there is', async () => {
    const { id } = await engine.containers.create(plainSpec, 'counted')
    expect((await app.inject('/info')).json()).toMatchObject({
      Containers: 1,
      ContainersRunning: 0,
      ContainersStopped: 1,
      Images: 1,
      NCPU: 2,
      CgroupVersion: '1',
      DockerRootDir: '/root',
      Swarm: { LocalNodeState: 'inactive' },
      SecurityOptions: ['name=seccomp,profile=builtin', 'name=cgroupns'],
    })
    await engine.containers.remove(id, { force: true, volumes: true })
  })

  test('names the firewall only to clients that know the field', async () => {
    expect((await app.inject('/v1.49/info')).json().FirewallBackend).toEqual({ Driver: 'nftables' })
    expect((await app.inject('/v1.48/info')).json()).not.toHaveProperty('FirewallBackend')
  })
})

describe('disk usage', () => {
  test('counts the users of images and volumes', async () => {
    await engine.volumes.create({ name: 'data', driver: 'local', options: {}, labels: {} })
    await engine.containers.create(
      { ...plainSpec, mounts: [mount({ source: 'data', target: '/x' })] },
      'user',
    )
    expect((await app.inject('/system/df')).json()).toMatchObject({
      LayersSize: demoImage.size,
      Images: [{ Id: demoImage.id, Containers: 1 }],
      Containers: [{ Names: ['/user'], Image: 'demo' }],
      Volumes: [{ Name: 'data', UsageData: { Size: 8192, RefCount: 1 } }],
      BuildCache: [],
    })
  })

  test('tells only of the types asked for', async () => {
    expect(Object.keys((await app.inject('/v1.42/system/df?type=volume')).json())).toEqual(['Volumes'])
    expect(Object.keys((await app.inject('/v1.41/system/df?type=volume')).json())).toHaveLength(5)
  })

  test('refuses another type', async () => {
    const answer = await app.inject('/system/df?type=socks')
    expect(answer.statusCode).toBe(400)
    expect(answer.json().message).toBe('unknown object type: socks')
  })
})

describe('events', () => {
  test('of the past end at once', async () => {
    const answer = await app.inject('/events?since=1&until=2')
    expect(answer.statusCode).toBe(200)
    expect(answer.body).toBe('')
  })

  test('cannot end before they begin', async () => {
    const answer = await app.inject('/events?since=5&until=2')
    expect(answer.statusCode).toBe(400)
    expect(answer.json().message).toBe('`since` time (5) cannot be after `until` time (2)')
  })
})
