import { execFileSync } from 'node:child_process'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'

let daemon: TestDaemon
let client: TestClient

beforeAll(async () => {
  daemon = await TestDaemon.start()
  client = new TestClient(daemon)
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterEach(() => client.clear())
afterAll(() => daemon?.stop())

const call = async (method: string, path: string, body?: unknown): Promise<number> =>
  (await daemon.api(method, path, body)).status

async function create(host: object = {}, cmd: readonly string[] = ['sleep', '60']): Promise<string> {
  const { body } = await daemon.api('POST', '/containers/create', {
    Image: 'box',
    Cmd: cmd,
    HostConfig: host,
  })
  return (body as { Id: string }).Id
}

describe('a container that is being started', () => {
  it('is not removed under its program', async () => {
    const id = await create()
    const statuses = await Promise.all([
      call('POST', `/containers/${id}/start`),
      call('DELETE', `/containers/${id}`),
    ])
    expect(statuses).toEqual([204, 409])
    expect(await call('GET', `/containers/${id}/json`)).toBe(200)
  })

  it('is ended and removed by force', async () => {
    const id = await create()
    const statuses = await Promise.all([
      call('POST', `/containers/${id}/start`),
      call('DELETE', `/containers/${id}?force=1`),
    ])
    expect(statuses).toEqual([204, 204])
    expect(await call('GET', `/containers/${id}/json`)).toBe(404)
    expect(execFileSync('ps', ['-eo', 'cgroup'], { encoding: 'utf8' })).not.toContain(id)
  })

  it('keeps its network', async () => {
    await call('POST', '/networks/create', { Name: 'mynet' })
    const id = await create({ NetworkMode: 'mynet' })
    const statuses = await Promise.all([
      call('POST', `/containers/${id}/start`),
      call('DELETE', '/networks/mynet'),
    ])
    expect(statuses).toEqual([204, 403])
    expect(await call('GET', '/networks/mynet')).toBe(200)
  })
})

describe('of two removals at once, one finds nothing to remove', () => {
  it('for a network', async () => {
    await call('POST', '/networks/create', { Name: 'mynet' })
    const remove = (): Promise<number> => call('DELETE', '/networks/mynet')
    expect((await Promise.all([remove(), remove()])).sort()).toEqual([204, 404])
  })

  it('for a volume', async () => {
    await call('POST', '/volumes/create', { Name: 'data' })
    const remove = (): Promise<number> => call('DELETE', '/volumes/data')
    expect((await Promise.all([remove(), remove()])).sort()).toEqual([204, 404])
  })
})

describe('a container with --rm', () => {
  it('is still there after a restart', async () => {
    const id = await create({ AutoRemove: true })
    await call('POST', `/containers/${id}/start`)
    expect(await call('POST', `/containers/${id}/restart?signal=KILL`)).toBe(204)
    expect((await daemon.docker('ps', '-q', '--no-trunc')).stdout.trim()).toBe(id)
  })

  it('that ended with the last daemon is removed by the next, its anonymous volume too', async () => {
    const id = await create({ AutoRemove: true, Binds: ['/data'] })
    await call('POST', `/containers/${id}/start`)
    await daemon.kill()
    process.kill(daemon.supervisorPid(), 'SIGKILL')
    await daemon.launch()
    await call('POST', `/containers/${id}/kill`)
    while ((await call('GET', `/containers/${id}/json`)) !== 404);
    expect((await daemon.docker('volume', 'ls', '-q')).stdout).toBe('')
  })
})

it('whoever attaches as soon as a container has ended sees the output of its next run', async () => {
  const id = await create({}, ['sh', '-c', 'echo once more'])
  for (let round = 0; round < 10; round++) {
    await call('POST', `/containers/${id}/start`)
    await call('POST', `/containers/${id}/wait`)
    const again = daemon.api('POST', `/containers/${id}/attach?stream=1&stdout=1`)
    await new Promise((resolve) => setTimeout(resolve, 5))
    await call('POST', `/containers/${id}/start`)
    expect(String((await again).body), `round ${round}`).toContain('once more')
    await call('POST', `/containers/${id}/wait`)
  }
})

it('a container that has just ended cannot be killed, and the answer says so', async () => {
  const id = await create({}, ['true'])
  await call('POST', `/containers/${id}/start`)
  const statuses = new Set<number>()
  for (let round = 0; round < 30; round++) statuses.add(await call('POST', `/containers/${id}/kill`))
  expect([...statuses].filter((status) => status !== 204)).toEqual([409])
})
