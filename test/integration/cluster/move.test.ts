import { readdirSync } from 'node:fs'
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ContainerInspect } from '../../../src/api/schema/container.ts'
import { TestClient } from '../../helpers/client.ts'
import { TestCluster } from '../../helpers/cluster.ts'
import { busyboxArchive } from '../../helpers/daemon.ts'
import { eventually } from '../../helpers/eventually.ts'

const cluster = await TestCluster.start()
const clients = cluster.hosts.map((host) => new TestClient(host))
const [a, b, c] = clients as [TestClient, TestClient, TestClient]

beforeAll(async () => {
  const input = busyboxArchive()
  // The other one gets the image with the first container.
  await Promise.all([a, c].map(({ daemon }) => daemon.dockerWith({ input }, 'import', '-', 'box')))
  await a.tsnet('network', 'create', '-d', 'overlay', '--ipv6', '--subnet', '10.77.0.0/24', 'mesh')
  await Promise.all(clients.map((client) => eventually(() => client.inspect('network', 'mesh'))))
  await c.wait('asks', '--network', 'mesh')
})
afterAll(() => cluster.stop())

/** Ends when it is told to, which a bare `sleep` does not. */
const ending = 'trap "exit 0" TERM; sleep 600 & wait'
const serving = `echo lives; echo start >> /starts; httpd -p 80 -h /data; ${ending}`

/** What of a container is to be the same on every host. */
function sameOf({ Id, Created, Config, Image, HostConfig, NetworkSettings }: ContainerInspect): unknown {
  const networks = Object.entries(NetworkSettings.Networks).map(([name, { EndpointID: _, ...one }]) => [
    name,
    one,
  ])
  return { Id, Created, Config, Image, HostConfig, networks }
}

/** What stands in etcd of containers and moves. */
async function keys(...kinds: string[]): Promise<string[]> {
  const all = [...(await cluster.etcd.read('/tsnet/')).entries()]
  return all
    .filter(([key]) => kinds.some((kind) => key.startsWith(`/tsnet/${kind}`)))
    .map(([key, value]) => `${key} ${value}`)
}

describe('a container that is moved to another host', () => {
  it('is there as it was, with what it wrote, its volumes, addresses and names', async () => {
    await a.tsnet(
      ...[
        'run',
        '-d',
        '--name',
        'web',
        '--network',
        'mesh',
        '--network-alias',
        'site',
        '-v',
        'data:/data',
        '-v',
        '/cache',
      ],
      ...['-l', 'one=two', '-e', 'A=b', 'box', 'sh', '-c', serving],
    )
    await a.inside(
      'web',
      'echo here > /data/index.html; ln -s x /cache/link; chown 7:8 /data/index.html; rm /etc/passwd',
    )
    const before = await a.inspect('container', 'web')
    const { code, stdout, stderr } = await a.daemon.tsnet('container', 'move', '--to', 'h2', 'web')
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'web\n', stderr: '' })

    expect(await c.inside('asks', 'wget -qO- http://site; wget -qO- http://web')).toBe('here\nhere')
    const after = await b.inspect('container', 'web')
    expect(sameOf(after)).toEqual(sameOf(before))
    expect(after.State.Running).toBe(true)
    expect(
      await b.inside(
        'web',
        'cat /starts; ls -n /data/index.html; readlink /cache/link; ls /etc/passwd || true',
      ),
    ).toMatch(/^start\nstart\n-\S+ +1 7 +8 .*\nx$/)
    expect(await b.tsnet('logs', 'web')).toBe('lives\nlives')
    expect(await b.tsnet('volume', 'ls', '-q')).toBe(await mountsOf(before))
  })

  it('has left nothing on its host and in etcd', async () => {
    expect(await a.tsnet('ps', '-aq')).toBe('')
    expect(await a.tsnet('volume', 'ls', '-q')).toBe('')
    expect(readdirSync(`${a.daemon.dataRoot}/containers`)).toEqual([])
    await eventually(async () => expect(await keys('move')).toEqual([]))
    const { id } = { id: (await b.inspect('container', 'web')).Id }
    const network = (await a.inspect('network', 'mesh')).Id
    expect((await keys('names/')).filter((line) => line.includes('/web'))).toEqual([
      `/tsnet/names/${network}/web h2 ${id}`,
    ])
    const { mesh } = (await b.inspect('container', 'web')).NetworkSettings.Networks
    const own = [mesh?.IPAddress, mesh?.GlobalIPv6Address]
    expect((await keys('addresses/')).map((line) => line.replace(/ \S{64} /, ' '))).toEqual(
      own.map((address) => `/tsnet/addresses/${network}/${address} h2 - container web`),
    )
  })
})

/** What the client complains about. Throws when it does not fail. */
async function refusal(client: TestClient, container: string, host: string): Promise<string> {
  const { code, stderr } = await client.daemon.tsnet('container', 'move', '--to', host, container)
  if (code === 0) throw new Error(`${container} has moved to ${host}`)
  return stderr.trim()
}

const moves = (client: TestClient, container: string, host: string) =>
  client.tsnet('container', 'move', '--to', host, container)

describe('moved on, and back', () => {
  it('keeps an address of whichever host has its block, and gives it back with the container', async () => {
    const address = await b.addressOf('web', 'mesh')
    await moves(b, 'web', 'h3')
    await moves(c, 'web', 'h1')
    expect(await a.addressOf('web', 'mesh')).toBe(address)
    expect(await c.inside('asks', 'wget -qO- http://site')).toBe('here')
    await eventually(async () => expect(await keys('addresses/')).toEqual([]))
    // From a host that has the address as one of another's block to the one whose block it is, and away again.
    await moves(a, 'web', 'h2')
    await b.remove('web')
    await eventually(async () => expect(await keys('addresses/')).toEqual([]))
    await eventually(() => a.wait('next', '--network', 'mesh', '--ip', address))
    await a.remove('next')
    await b.tsnet('volume', 'rm', 'data')
  })

  it('a stopped container stays stopped, and has its fixed address when it starts', async () => {
    const fixed = ['--network', 'mesh', '--ip', '10.77.0.99']
    await a.tsnet('create', '--name', 'still', ...fixed, 'box', 'sleep', '600')
    await moves(a, 'still', 'h2')
    expect((await b.inspect('container', 'still')).State.Status).toBe('created')
    expect(await c.refusal('run', '--rm', ...fixed, 'box', 'true')).toContain(
      '10.77.0.99 is held by container still on h2',
    )
    await b.tsnet('start', 'still')
    expect(await c.inside('asks', 'ping -c 1 -W 2 10.77.0.99')).toContain('1 packets received')
    expect(await c.resolve('asks', 'still')).toContain('10.77.0.99')
    await b.remove('still')
  })

  it('one on a network of the host alone is on that of the same name, with an address there', async () => {
    for (const client of [a, b]) await client.tsnet('network', 'create', 'near')
    const published = ['--network', 'near', '-p', '8099:80']
    await a.tsnet('run', '-d', '--rm', '--name', 'both', ...published, 'box', 'sh', '-c', ending)
    await a.tsnet('network', 'connect', 'mesh', 'both')
    const { Id } = await b.inspect('network', 'near')
    await moves(a, 'both', 'h2')
    const { NetworkSettings, HostConfig } = await b.inspect('container', 'both')
    expect(NetworkSettings.Networks['near']).toMatchObject({
      NetworkID: Id,
      IPAddress: expect.stringMatching(/^172/),
    })
    expect([HostConfig.AutoRemove, HostConfig.NetworkMode]).toEqual([true, 'near'])
    expect(await c.inside('asks', 'ping -c 1 -W 2 both')).toContain('1 packets received')
    await b.remove('both')
  })
})

describe('what cannot move', () => {
  it('is told with all reasons of both hosts while it runs on', async () => {
    await a.tsnet('network', 'create', 'alone')
    await b.tsnet('volume', 'create', 'taken')
    await b.wait('busy', '-p', '8098:80')
    await a.wait('shares', '-v', 'shared:/data')
    await a.wait(
      ...(['many', '--network', 'alone', '-p', '8098:80', '-v', '/tmp:/host', '-v', 'taken:/t'] as const),
      ...(['-v', 'shared:/s'] as const),
    )
    await a.tsnet('volume', 'snapshot', 'taken')
    await a.wait('joins', '--network', 'container:many')
    const reasons = await refusal(a, 'many', 'h2')
    expect(reasons).toMatch(/^Error response from daemon: container many cannot move to host h2: /)
    for (const reason of [
      'container joins is in its network',
      'bind mount /tmp is a path of this host: use a volume',
      'volume shared is that of container shares as well',
      'volume taken has 1 snapshot, which would be lost: remove it first',
      'host h2 has a volume taken already',
      "host h2 has no network alone (bridge), which is host h1's own",
    ])
      expect(reasons).toContain(reason)
    expect(await refusal(a, 'joins', 'h2')).toContain('it is in the network of another container (container:')
    expect(await b.tsnet('ps', '-aq', '--filter', 'name=many')).toBe('')
    expect((await a.inspect('container', 'many')).State.Running).toBe(true)
    await a.remove('many', 'joins', 'shares')
    await a.wait('busy', '-p', '8098:80')
    expect(await refusal(a, 'busy', 'h2')).toMatch(
      /host h2 has a container busy already; .*8098 failed: port is already allocated \(by container busy\)/,
    )
    await a.remove('busy')
    await b.remove('busy')
  })

  it('has nowhere to go: an unknown host, its own, one without a word', async () => {
    await a.wait('web')
    expect(await refusal(a, 'web', 'h9')).toContain('host h9 is not in the cluster: the others are h2, h3')
    expect(await refusal(a, 'web', 'h1')).toContain('host h1 is this one: give another one to move to')
    expect(await refusal(a, 'none', 'h2')).toContain('No such container: none')
    expect(await refusal(a, 'web', '')).toContain('no host to move to')
    await a.remove('web')
  })
})

describe('a move that fails', () => {
  const slow = 'trap "echo bye; sleep 2; exit 0" TERM; echo on >> /starts; sleep 600 & wait'
  /** Its program has been told to end so many times. */
  const stopping = (times: number) =>
    eventually(async () => expect(await a.tsnet('logs', 'web')).toBe(Array(times).fill('bye').join('\n')))

  it('is refused to everybody else, and leaves the container here and running when etcd goes away in the middle', async () => {
    await a.tsnet(
      'run',
      '-d',
      '--name',
      'web',
      '--network',
      'mesh',
      '-v',
      'data:/data',
      'box',
      'sh',
      '-c',
      slow,
    )
    const moving = refusal(a, 'web', 'h2')
    await stopping(1)
    expect(await a.refusal('start', 'web')).toContain('is being moved to host h2')
    expect(await a.refusal('rm', '-f', 'web')).toContain(
      'container web is being moved to host h2: wait until',
    )
    await cluster.etcd.freezeAll()
    try {
      expect(await moving).toMatch(/etcd/)
      await eventually(async () => expect((await a.inspect('container', 'web')).State.Running).toBe(true))
    } finally {
      cluster.etcd.resumeAll()
    }
    await eventually(async () =>
      expect(await c.inside('asks', 'ping -c 1 -W 1 web')).toContain('1 packets received'),
    )
    expect(await a.inside('web', 'cat /starts')).toBe('on\non')
    await eventually(async () => expect(await b.tsnet('volume', 'ls', '-q')).toBe('taken'))
  })

  it('is over when its client goes', async () => {
    const asked = request({
      socketPath: a.daemon.socket,
      method: 'POST',
      path: '/tsnet/v1/containers/web/move',
      headers: { 'content-type': 'application/json' },
    })
    asked.on('error', () => {})
    asked.end(JSON.stringify({ To: 'h2' }))
    await stopping(2)
    asked.destroy()
    await eventually(async () => {
      expect((await a.inspect('container', 'web')).State.Running).toBe(true)
      expect(await a.inside('web', 'cat /starts')).toBe('on\non\non')
      expect(await keys('move')).toEqual([])
    })
    await a.remove('web')
  })
})

async function mountsOf({ Mounts }: ContainerInspect): Promise<string> {
  return Mounts.map(({ Name }) => Name)
    .sort()
    .join('\n')
}
