import { afterAll, beforeAll, expect, it } from 'vitest'
import { TestClient } from '../../helpers/client.ts'
import { TestCluster } from '../../helpers/cluster.ts'
import { busyboxArchive } from '../../helpers/daemon.ts'
import { eventually } from '../../helpers/eventually.ts'

const cluster = await TestCluster.start({ hosts: 2, quota: 1 << 20, parameters: { ttl: '2' } })
const [a, b] = cluster.hosts.map((host) => new TestClient(host)) as [TestClient, TestClient]

beforeAll(async () => {
  const input = busyboxArchive()
  await Promise.all(cluster.hosts.map((host) => host.dockerWith({ input }, 'import', '-', 'box')))
  await a.tsnet('network', 'create', '-d', 'overlay', 'mesh')
  await eventually(() => b.inspect('network', 'mesh'))
})
afterAll(() => cluster.stop())

const fill = async (): Promise<void> => {
  for (let index = 0; index < 100; index++) await cluster.etcd.ctl('put', '/fill', 'x'.repeat(100_000))
}
const reaches = (name: string) => eventually(() => a.inside('w1', `ping -c1 -W2 ${name}`))
const state = async (client: TestClient) =>
  ((await client.daemon.api('GET', '/info')).body as { TsnetCluster: object }).TsnetCluster

it('hosts stay, containers talk, start and stop while the database is full, and all is told when there is room', async () => {
  await a.wait('w1', '--network', 'mesh')
  await b.wait('w2', '--network', 'mesh')
  await reaches('w2')
  await expect(fill()).rejects.toThrow(/space exceeded/)

  expect(await a.refusal('network', 'create', '-d', 'overlay', 'other')).toMatch(
    /its database is full \(alarm NOSPACE\)/,
  )
  await b.wait('w3', '--network', 'mesh')
  await b.inside('w3', 'ping -c1 -W2 w2')
  // longer than the lease
  await new Promise((resolve) => setTimeout(resolve, 2500))
  expect((await a.tsnet('node', 'ls', '-q')).split('\n')).toEqual(['h1', 'h2'])
  await reaches('w2')
  expect(await state(b)).toMatchObject({ State: 'connected', Error: expect.stringContaining('NOSPACE') })

  await cluster.etcd.compact()
  await cluster.etcd.defragment()
  await cluster.etcd.ctl('alarm', 'disarm')
  await reaches('w3')
  await eventually(async () => expect(await state(b)).toMatchObject({ State: 'connected', Error: '' }))
  await a.tsnet('network', 'create', '-d', 'overlay', 'other')
  await b.remove('w2', 'w3')
  await eventually(async () =>
    expect(
      [...(await cluster.etcd.read('/tsnet/endpoints/')).values()].map((value) => JSON.parse(value).node),
    ).toEqual(['h1']),
  )
})
