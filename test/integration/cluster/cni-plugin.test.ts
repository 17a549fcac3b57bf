/** Pods of runtimes on two hosts, on an overlay network of the cluster, by tsnet as their CNI plugin. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { TestClient } from '../../helpers/client.ts'
import { TestCluster } from '../../helpers/cluster.ts'
import { Runtime } from '../../helpers/cni.ts'
import { busyboxArchive } from '../../helpers/daemon.ts'
import { EventReader } from '../../helpers/events.ts'
import { eventually } from '../../helpers/eventually.ts'

interface Result {
  readonly ips: readonly { address: string; gateway?: string }[]
}

const cluster = await TestCluster.start({ hosts: 2, parameters: { ttl: '3' } })
const clients = cluster.hosts.map((host) => new TestClient(host))
const runtimes = cluster.hosts.map((host) => new Runtime(host.netns))

beforeAll(async () => {
  const input = busyboxArchive()
  await Promise.all(cluster.hosts.map((host) => host.dockerWith({ input }, 'import', '-', 'box')))
})
afterEach(async () => {
  cluster.plug(0, true)
  for (const runtime of runtimes) runtime.clear()
  await Promise.all(clients.map((client) => client.clear()))
})
afterAll(() => cluster.stop())

const request = (at: number) => ({
  containerId: `pod${at}`,
  netns: runtimes[at]!.sandbox(`pod${at}`),
  config: {
    ...{ cniVersion: '1.0.0', name: 'mesh', type: 'tsnet', driver: 'overlay' },
    ...{ host: `unix://${cluster.hosts[at]!.socket}`, stateDir: '/nowhere' },
  },
})

it('have addresses of the cluster’s and reach each other and its containers, also while a daemon is away', async () => {
  const requests = [request(0), request(1)]
  const results: Result[] = []
  for (const [at, one] of requests.entries()) {
    const add = () => runtimes[at]!.ask<Result>('ADD', one)
    results.push(await add())
  }
  const addresses = results.map(({ ips }) => ips[0]?.address.split('/')[0] ?? '')
  expect(new Set(addresses).size).toBe(2)
  const ping = (at: number, address: string): string =>
    runtimes[at]!.inside(`pod${at}`, 'busybox', 'ping', '-c', '1', '-W', '3', address)
  ping(0, addresses[1]!)
  ping(1, addresses[0]!)
  await clients[1]!.wait('web', '--network', 'mesh')
  ping(0, await clients[1]!.addressOf('web', 'mesh'))
  await cluster.hosts[0]!.terminate()
  // for longer than its lease
  await sleep(4500)
  ping(1, addresses[0]!)
  expect(await clients[1]!.tsnet('node', 'ls', '-q')).toBe('h1\nh2')
  await cluster.hosts[0]!.launch()
  ping(0, addresses[1]!)
  ping(1, addresses[0]!)
  await clients[1]!.remove('web')
  for (const [at, one] of requests.entries()) await runtimes[at]!.ask('DEL', one)
  await clients[0]!.tsnet('network', 'rm', 'mesh')
})

it('lose their interface when their address is another host’s meanwhile', async () => {
  const [a, b] = clients as [TestClient, TestClient]
  await a.tsnet('network', 'create', '-d', 'overlay', '--subnet', '10.201.0.0/24', 'mesh')
  const one = request(0)
  const { ips } = await runtimes[0]!.ask<Result>('ADD', one)
  const address = ips[0]?.address.split('/')[0] ?? ''
  const events = await EventReader.open(a.daemon, { type: ['network'], event: ['fence'] })
  cluster.plug(0, false)
  await eventually(async () => expect(await b.tsnet('node', 'ls', '-q')).toBe('h2'))
  await b.wait('thief', '--network', 'mesh', '--ip', address)
  cluster.plug(0, true)
  await eventually(() => expect(events.seen).toHaveLength(1))
  expect(events.seen[0]?.Actor.Attributes).toMatchObject({ container: 'pod0', name: 'mesh' })
  expect(runtimes[0]!.inside('pod0', 'ip', '-o', 'link')).not.toContain('eth0')
  await a.wait('web', '--network', 'mesh')
  await eventually(() => a.inside('web', `ping -c1 -W1 ${address}`))
  await runtimes[0]!.ask('DEL', one)
  events.close()
})
