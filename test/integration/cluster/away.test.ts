import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { TestClient } from '../../helpers/client.ts'
import { TestCluster } from '../../helpers/cluster.ts'
import { busyboxArchive } from '../../helpers/daemon.ts'
import { EventReader } from '../../helpers/events.ts'
import { eventually } from '../../helpers/eventually.ts'

const cluster = await TestCluster.start({ hosts: 2, parameters: { ttl: '2' } })
const clients = cluster.hosts.map((host) => new TestClient(host))
const [a, b] = clients as [TestClient, TestClient]

beforeAll(async () => {
  const input = busyboxArchive()
  await Promise.all(cluster.hosts.map((host) => host.dockerWith({ input }, 'import', '-', 'box')))
})
beforeEach(async () => {
  await a.tsnet('network', 'create', '-d', 'overlay', '--subnet', '10.201.0.0/24', 'mesh')
  await eventually(() => b.inspect('network', 'mesh'))
})
afterEach(async () => {
  cluster.plug(1, true)
  cluster.etcd.resumeAll()
  await Promise.all(clients.map(connected))
  await Promise.all(clients.map((client) => client.clear()))
  await eventually(() => a.tsnet('network', 'rm', 'mesh'))
})
afterAll(() => cluster.stop())

const stateOf = async (client: TestClient) =>
  ((await client.daemon.api('GET', '/info')).body as { TsnetCluster: { State: string } }).TsnetCluster.State
const connected = (client: TestClient) =>
  eventually(async () => expect(await stateOf(client)).toBe('connected'))
const away = (client: TestClient) =>
  eventually(async () => expect(await stateOf(client)).not.toBe('connected'))
const ping = (client: TestClient, container: string, target: string) =>
  client.inside(container, `ping -c1 -W2 ${target}`)

describe('while etcd is away', () => {
  it('containers talk and start, and what needs etcd says at once what is missing', async () => {
    await a.wait('web', '--network', 'mesh')
    await b.wait('db', '--network', 'mesh')
    await eventually(() => ping(a, 'web', 'db'))
    await cluster.etcd.freezeAll()
    await Promise.all(clients.map(away))
    await ping(a, 'web', 'db')
    expect((await a.inspect('network', 'mesh')).Name).toBe('mesh')
    await a.wait('more', '--network', 'mesh')
    await ping(a, 'more', 'web')
    const started = performance.now()
    expect(await a.refusal('network', 'create', '-d', 'overlay', 'other')).toMatch(/etcd/)
    expect(await a.refusal('network', 'rm', 'mesh')).toMatch(/active endpoints|etcd/)
    expect(await a.tsnet('node', 'ls', '--format', '{{.Name}} {{.State}} {{.Endpoints}}')).toMatch(
      /h1 (away|fenced) -\nh2 unknown -/,
    )
    expect(performance.now() - started).toBeLessThan(15_000)
    cluster.etcd.resumeAll()
    await eventually(() => ping(b, 'db', 'more'))
  })

  it('a daemon starts, takes up what runs, and joins when etcd is back', async () => {
    await a.wait('web', '--network', 'mesh')
    await b.wait('db', '--network', 'mesh')
    await eventually(() => ping(a, 'web', 'db'))
    const address = await b.addressOf('db', 'mesh')
    await cluster.etcd.freezeAll()
    await a.daemon.kill()
    await a.daemon.launch()
    await ping(a, 'web', address)
    await a.wait('more', '--network', 'mesh')
    await ping(a, 'more', 'web')
    cluster.etcd.resumeAll()
    await connected(a)
    await eventually(() => ping(a, 'web', 'db'))
    await eventually(() => ping(b, 'db', 'more'))
  })
})

describe('a host that is cut off for longer than its lease', () => {
  const cutOff = async () => {
    cluster.plug(1, false)
    await away(b)
    await eventually(async () => expect(await a.tsnet('node', 'ls', '-q')).toBe('h1'))
  }

  it('is forgotten, and comes back with its containers when nobody has taken what is theirs', async () => {
    await a.wait('web', '--network', 'mesh')
    await b.wait('db', '--network', 'mesh')
    await eventually(() => ping(a, 'web', 'db'))
    await cutOff()
    await eventually(async () => expect(await a.resolve('web', 'db')).toBe(''))
    cluster.plug(1, true)
    await eventually(() => ping(a, 'web', 'db'))
    expect(await b.addressOf('db', 'mesh')).not.toBe('')
  })

  it('has the containers taken off the network whose addresses or names are others’ meanwhile', async () => {
    await b.wait('db', '--network', 'mesh', '--ip', '10.201.0.77')
    await b.wait('store', '--network', 'mesh', '--ip', '10.201.0.78')
    await b.wait('stays', '--network', 'mesh', '--ip', '10.201.0.79')
    const events = await EventReader.open(b.daemon, { type: ['network'], event: ['fence'] })
    await cutOff()
    await a.wait('thief', '--network', 'mesh', '--ip', '10.201.0.77')
    await a.wait('store', '--network', 'mesh')
    cluster.plug(1, true)
    await eventually(() => expect(events.seen).toHaveLength(2))
    const networksOf = async (name: string) =>
      Object.keys((await b.inspect('container', name)).NetworkSettings.Networks)
    expect(await networksOf('db')).toEqual([])
    expect(await networksOf('store')).toEqual([])
    expect(await networksOf('stays')).toEqual(['mesh'])
    const reasons = events.seen.map(({ Actor }) => Actor.Attributes['reason']).sort()
    expect(reasons[0]).toMatch(/^its address 10\.201\.0\.77 is now that of/)
    expect(reasons[1]).toBe('its name store there is now that of h1')
    await eventually(() => ping(a, 'thief', 'stays'))
    await expect(b.docker('network', 'connect', 'mesh', 'store')).rejects.toThrow(
      /The container name "\/store" is already in use on network mesh by container .* of host h1/,
    )
    events.close()
  })

  it('loses a network that was removed meanwhile', async () => {
    await b.wait('db', '--network', 'mesh')
    await cutOff()
    await eventually(() => a.tsnet('network', 'rm', 'mesh'))
    await a.tsnet('network', 'create', '-d', 'overlay', '--subnet', '10.201.0.0/24', 'mesh')
    cluster.plug(1, true)
    await eventually(async () => {
      expect(Object.keys((await b.inspect('container', 'db')).NetworkSettings.Networks)).toEqual([])
    })
    await eventually(async () =>
      expect((await b.inspect('network', 'mesh')).Id).toBe((await a.inspect('network', 'mesh')).Id),
    )
    expect(b.daemon.inNetns('ip', ['-o', 'link', 'show', 'type', 'vxlan'])).toBe('')
  })
})
