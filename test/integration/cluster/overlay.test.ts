import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { probeFeature } from '../../../src/sys/features.ts'
import { TestClient } from '../../helpers/client.ts'
import { outside, TestCluster, underlay } from '../../helpers/cluster.ts'
import { busyboxArchive, TestDaemon } from '../../helpers/daemon.ts'
import { eventually } from '../../helpers/eventually.ts'
import { requires } from '../../helpers/requires.ts'

const cluster = await TestCluster.start()
const clients = cluster.hosts.map((host) => new TestClient(host))
const [a, b, c] = clients as [TestClient, TestClient, TestClient]

beforeAll(async () => {
  const input = busyboxArchive()
  await Promise.all(cluster.hosts.map((host) => host.dockerWith({ input }, 'import', '-', 'box')))
})
afterEach(async () => {
  await Promise.all(clients.map((client) => client.clear()))
  for (const id of (await a.tsnet('network', 'ls', '-q', '-f', 'scope=global')).split('\n'))
    if (id !== '') await a.tsnet('network', 'rm', id)
})
afterAll(() => cluster.stop())

const mesh = (...args: string[]) => a.tsnet('network', 'create', '-d', 'overlay', ...args, 'mesh')
const known = (client: TestClient, network: string) =>
  eventually(() => client.inspect('network', network), `network ${network}`)
const ping = (client: TestClient, container: string, target: string) =>
  client.inside(container, `ping -c1 -W2 ${target}`)

/** A container w1, w2, w3 on each host. */
async function everywhere(network: string, ...args: string[]): Promise<void> {
  await Promise.all(clients.map((client) => known(client, network)))
  await Promise.all(
    clients.map((client, index) => client.wait(`w${index + 1}`, '--network', network, ...args)),
  )
}

/** Links that are there for networks of the cluster. */
const links = (client: TestClient) =>
  client.daemon
    .inNetns('ip', ['-o', 'link', 'show', 'type', 'vxlan'])
    .split('\n')
    .filter((line) => line !== '')

describe('a network of the cluster', () => {
  it('is listed and inspected alike on every host, and is gone on all once one removes it', async () => {
    const id = await mesh('--attachable', '--label', 'team=red')
    await Promise.all(clients.map((client) => known(client, 'mesh')))
    const inspected = await Promise.all(clients.map((client) => client.inspect('network', 'mesh')))
    expect(inspected.map(({ Id }) => Id)).toEqual([id, id, id])
    expect(inspected[2]).toEqual(inspected[0])
    expect(inspected[0]).toMatchObject({ Scope: 'global', Driver: 'overlay', Attachable: true })
    expect(await b.docker('network', 'ls', '--format', '{{.Name}} {{.Scope}}', '-f', 'driver=overlay')).toBe(
      'mesh global',
    )
    await c.tsnet('network', 'rm', 'mesh')
    await eventually(async () =>
      expect(await a.refusal('network', 'inspect', 'mesh')).toMatch(/not found|No such network/),
    )
  })

  it('is made once, however many want its name at once', async () => {
    const wishes = Array.from({ length: 24 }, (_, index) =>
      clients[index % 3]!.daemon.api('POST', '/networks/create', { Name: 'wanted', Driver: 'overlay' }),
    )
    const answers = await Promise.all(wishes)
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(23)
  })

  it('gets a subnet and a number that no other has, whoever makes it', async () => {
    const names = ['one', 'two', 'three']
    await Promise.all(names.map((name, at) => clients[at]!.tsnet('network', 'create', '-d', 'overlay', name)))
    await Promise.all(names.map((name) => known(a, name)))
    const made = await Promise.all(names.map((name) => a.inspect('network', name)))
    expect(new Set(made.map(({ IPAM }) => IPAM.Config[0]?.Subnet)).size).toBe(3)
    expect(new Set(made.map(({ Options }) => JSON.stringify(Options))).size).toBe(3)
  })

  it('cannot have the name of a network of the host, nor the other way round', async () => {
    await a.tsnet('network', 'create', 'lan')
    expect(await a.refusal('network', 'create', '-d', 'overlay', 'lan')).toMatch(
      /network with name lan already exists/,
    )
    await a.tsnet('network', 'rm', 'lan')
    await mesh()
    await known(b, 'mesh')
    expect(await b.refusal('network', 'create', 'mesh')).toMatch(/network with name mesh already exists/)
  })

  it('is hidden on a host that has one of that name already, until that one is removed', async () => {
    await b.tsnet('network', 'create', 'lan')
    const id = await a.tsnet('network', 'create', '-d', 'overlay', 'lan')
    await eventually(() => c.inspect('network', id))
    expect((await b.inspect('network', 'lan')).Scope).toBe('local')
    await b.tsnet('network', 'rm', 'lan')
    await eventually(async () => expect((await b.inspect('network', 'lan')).Id).toBe(id))
  })

  it('is not used on a host whose own networks it lies over', async () => {
    await b.tsnet('network', 'create', '--subnet', '10.203.0.0/24', 'lan')
    await mesh('--subnet', '10.203.0.0/16')
    await known(b, 'mesh')
    expect(await b.refusal('run', '--network', 'mesh', 'box', 'true')).toMatch(
      /Pool overlaps .* network mesh overlaps 10\.203\.0\.0\/24 of network lan, which is this host's own/,
    )
    await b.tsnet('network', 'rm', 'lan')
    expect(await b.refusal('network', 'create', '--subnet', '10.203.7.0/24', 'lan')).toMatch(
      /network lan overlaps 10\.203\.0\.0\/16 of network mesh, which is the cluster's/,
    )
  })

  requires('a kernel without WireGuard', !probeFeature('wireguard').isAvailable)(
    'that is encrypted is refused by a host that cannot encrypt, when it is made and when a container joins it',
    async () => {
      const refused =
        /network mesh is encrypted between hosts, which this host cannot do: wireguard is not available \(Linux \S+\): the kernel knows no links of kind wireguard; it needs Linux 5\.6 with CONFIG_WIREGUARD: load that and start the daemon again, or use a network without the option encrypted/
      expect(await a.refusal('network', 'create', '-d', 'overlay', '--opt', 'encrypted', 'mesh')).toMatch(
        refused,
      )
      await mesh()
      const { Id } = await known(b, 'mesh')
      const key = `/tsnet/networks/${Id}`
      // as a host leaves it that can
      const record = JSON.parse(await cluster.etcd.ctl('get', '--print-value-only', key))
      const options = { ...record.options, encrypted: '' }
      await cluster.etcd.ctl('put', key, JSON.stringify({ ...record, options }))
      await eventually(async () =>
        expect((await b.inspect('network', 'mesh')).Options).toHaveProperty('encrypted'),
      )
      expect(await b.refusal('run', '--network', 'mesh', 'box', 'true')).toMatch(refused)
      expect(links(b)).toEqual([])
    },
  )

  it('cannot have a subnet that overlaps another’s', async () => {
    await mesh('--subnet', '10.200.0.0/16')
    expect(
      await b.refusal('network', 'create', '-d', 'overlay', '--subnet', '10.200.7.0/24', 'other'),
    ).toMatch(
      /Pool overlaps with other one on this address space: 10\.200\.7\.0\/24 overlaps 10\.200\.0\.0\/16 of network mesh/,
    )
  })

  it('has links on a host only while there are endpoints', async () => {
    await mesh()
    await known(b, 'mesh')
    expect([links(a), links(b)]).toEqual([[], []])
    await a.wait('web', '--network', 'mesh')
    expect([links(a).length, links(b).length]).toEqual([1, 0])
    await a.docker('rm', '-f', 'web')
    await eventually(() => expect(links(a)).toEqual([]))
  })

  it('is not removed while another host has endpoints on it, nor pruned', async () => {
    await mesh()
    await known(b, 'mesh')
    await b.wait('web', '--network', 'mesh')
    expect(await a.refusal('network', 'rm', 'mesh')).toMatch(/has active endpoints on other hosts: web on h2/)
    await a.docker('network', 'prune', '-f')
    expect((await b.inspect('network', 'mesh')).Name).toBe('mesh')
  })

  it('keeps labels that are given to it later, for all hosts', async () => {
    await mesh()
    await known(b, 'mesh')
    await b.tsnet('network', 'update', '--label-add', 'team=blue', 'mesh')
    await eventually(async () =>
      expect((await a.inspect('network', 'mesh')).Labels).toEqual({ team: 'blue' }),
    )
  })
})

describe('containers on three hosts', () => {
  it('reach each other by name, alias and address of both families, and are told apart backwards', async () => {
    await mesh('--ipv6')
    await everywhere('mesh', '--network-alias', 'worker')
    for (const [index, client] of clients.entries()) {
      const own = `w${index + 1}`
      await eventually(async () => expect((await client.resolve(own, 'worker')).split(' ')).toHaveLength(6))
      for (const target of ['w1', 'w2', 'w3']) await ping(client, own, target)
    }
    const { GlobalIPv6Address, IPAddress } = (await c.inspect('container', 'w3')).NetworkSettings.Networks[
      'mesh'
    ]!
    await ping(a, 'w1', IPAddress)
    await ping(a, 'w1', GlobalIPv6Address)
    expect(await a.inside('w1', `nslookup ${IPAddress}`)).toMatch(/w3\.mesh/)
  })

  it('reach the outside, and are reached at published ports of their own host', async () => {
    await mesh()
    await known(b, 'mesh')
    await b.docker(
      ...['run', '-d', '--name', 'web', '--network', 'mesh', '-p', '8080:80', 'box'],
      ...['sh', '-c', 'echo hello > /tmp/index.html && httpd -f -p 80 -h /tmp'],
    )
    await ping(b, 'web', outside.v4)
    const page = await eventually(() => cluster.outside('busybox', 'wget', '-qO-', `${underlay.v4}.12:8080`))
    expect(page).toBe('hello\n')
  })

  it('join and leave while they run', async () => {
    await mesh()
    await Promise.all([known(b, 'mesh'), known(c, 'mesh')])
    await a.wait('web', '--network', 'mesh')
    await b.wait('db')
    await b.docker('network', 'connect', '--alias', 'store', 'mesh', 'db')
    await eventually(() => ping(a, 'web', 'store'))
    await b.docker('network', 'disconnect', 'mesh', 'db')
    await eventually(async () => expect(await a.resolve('web', 'store')).toBe(''))
    expect(links(b)).toEqual([])
    await b.docker('network', 'connect', 'mesh', 'db')
    await eventually(() => ping(a, 'web', 'db'))
  })

  it('of two networks do not reach each other', async () => {
    await mesh()
    await a.tsnet('network', 'create', '-d', 'overlay', 'apart')
    await Promise.all([known(b, 'mesh'), known(b, 'apart')])
    await a.wait('web', '--network', 'mesh')
    await b.wait('near', '--network', 'mesh')
    await b.wait('far', '--network', 'apart')
    await eventually(() => ping(a, 'web', 'near'))
    const address = await b.addressOf('far', 'apart')
    await expect(ping(a, 'web', address)).rejects.toThrow(/100% packet loss/)
    expect(await a.resolve('web', 'far')).toBe('')
  })

  it('are found under their new names when they are renamed', async () => {
    await mesh()
    await known(b, 'mesh')
    await a.wait('web', '--network', 'mesh')
    await b.wait('db', '--network', 'mesh')
    await b.docker('rename', 'db', 'store')
    await eventually(() => ping(a, 'web', 'store'))
    await eventually(async () => expect(await a.resolve('web', 'db')).toBe(''))
  })
})

describe('names and addresses', () => {
  it('that are another host’s are refused with that host', async () => {
    await mesh('--subnet', '10.201.0.0/24')
    await known(b, 'mesh')
    const id = await a.wait('web', '--network', 'mesh', '--ip', '10.201.0.77')
    expect(await b.refusal('create', '--name', 'web', '--network', 'mesh', 'box', 'true')).toContain(
      `The container name "/web" is already in use on network mesh by container "${id}" of host h1`,
    )
    expect(
      await b.refusal('run', '--name', 'db', '--network', 'mesh', '--ip', '10.201.0.77', 'box', 'true'),
    ).toMatch(/Address already in use: 10\.201\.0\.77 is held by container web on h1/)
    // one of the same block that is free
    await b.wait('other', '--network', 'mesh', '--ip', '10.201.0.78')
    await eventually(() => ping(a, 'web', 'other'))
  })

  it('are free again when their container is removed', async () => {
    await mesh('--subnet', '10.201.0.0/24')
    await known(b, 'mesh')
    await a.wait('web', '--network', 'mesh', '--ip', '10.201.0.77')
    await a.docker('rm', '-f', 'web')
    await eventually(() => b.wait('web', '--network', 'mesh', '--ip', '10.201.0.77'))
  })

  it('belong to one container each when three hosts start many at once', async () => {
    await mesh('--subnet', '10.202.0.0/26')
    await Promise.all(clients.map((client) => known(client, 'mesh')))
    const wishes = clients.flatMap((client, host) =>
      Array.from({ length: 6 }, (_, index) => client.wait(`h${host}-${index}`, '--network', 'mesh')),
    )
    await Promise.all(wishes)
    const users = await Promise.all(clients.map((client) => client.inspect('network', 'mesh')))
    const addresses = users.flatMap(({ Containers }) =>
      Object.values(Containers).map((one) => one.IPv4Address),
    )
    expect(addresses).toHaveLength(18)
    expect(new Set(addresses).size).toBe(18)
  })
})

describe('a daemon', () => {
  it('that was killed finds its containers, their addresses and its neighbours again', async () => {
    await mesh()
    await everywhere('mesh')
    const before = await b.addressOf('w2', 'mesh')
    await b.daemon.kill()
    await ping(a, 'w1', before)
    await b.daemon.launch()
    expect(await b.addressOf('w2', 'mesh')).toBe(before)
    await eventually(() => ping(b, 'w2', 'w3'))
    await eventually(() => ping(c, 'w3', 'w2'))
    const fresh = await b.wait('fresh', '--network', 'mesh')
    expect(fresh).not.toBe('')
    expect(await b.addressOf('fresh', 'mesh')).not.toBe(before)
    await b.remove('w2', 'fresh')
    await eventually(() => expect(links(b)).toEqual([]))
  })

  it('is refused a name that another host has', async () => {
    const twin = cluster.join((flags, prepare) =>
      TestDaemon.start([...flags, '--node-name', 'h1'], {}, '', prepare),
    )
    await expect(twin).rejects.toThrow(/node name h1 is taken by the host at 10\.99\.0\.11/)
  })

  it('that is stopped without containers is forgotten at once', async () => {
    await c.daemon.terminate()
    const { stdout } = await a.daemon.tsnet('node', 'ls', '-q')
    expect(stdout).toBe('h1\nh2\n')
    await c.daemon.launch()
    await eventually(async () =>
      expect((await a.daemon.tsnet('node', 'ls', '-q')).stdout).toBe('h1\nh2\nh3\n'),
    )
  })
})

describe('what is told of the cluster', () => {
  it('is its hosts, and who has what on a network', async () => {
    await mesh()
    await known(b, 'mesh')
    const id = await b.wait('web', '--network', 'mesh')
    expect(
      await a.tsnet('node', 'ls', '--format', '{{.Name}} {{.Self}} {{.State}} {{.Address}} {{.Endpoints}}'),
    ).toBe('h1 true ready 10.99.0.11 0\nh2 false ready 10.99.0.12 1\nh3 false ready 10.99.0.13 0')
    expect(await b.tsnet('node', 'ls', '-q', '-f', 'name=h[13]', '-f', 'state=ready')).toBe('h1\nh3')
    expect(await b.tsnet('node', 'ls', '-q', '-f', 'state=away')).toBe('')
    const { body } = await a.daemon.api('GET', '/networks/mesh?verbose=true')
    expect(body).toMatchObject({
      Peers: [{ Name: 'h2', IP: '10.99.0.12' }],
      Hosts: { h2: { Address: '10.99.0.12', Containers: { [id]: { Name: 'web' } } } },
    })
    const info = (await a.daemon.api('GET', '/info')).body as { TsnetCluster: object }
    expect(info.TsnetCluster).toMatchObject({ Name: 'h1', State: 'connected', Hosts: 3, Error: '' })
  })
})
