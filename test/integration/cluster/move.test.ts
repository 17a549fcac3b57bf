import { readdirSync } from 'node:fs'
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
  await a.tsnet('network', 'create', '-d', 'overlay', '--subnet', '10.77.0.0/24', 'mesh')
  await Promise.all(clients.map((client) => eventually(() => client.inspect('network', 'mesh'))))
  await c.wait('asks', '--network', 'mesh')
})
afterAll(() => cluster.stop())

const serving =
  'echo lives; echo start >> /starts; trap "exit 0" TERM; httpd -p 80 -h /data; sleep 600 & wait'

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
    expect((await keys('addresses/')).map((line) => line.replace(/ \S{64} /, ' '))).toEqual([
      `/tsnet/addresses/${network}/${await b.addressOf('web', 'mesh')} h2 - container web`,
    ])
  })
})

async function mountsOf({ Mounts }: ContainerInspect): Promise<string> {
  return Mounts.map(({ Name }) => Name)
    .sort()
    .join('\n')
}
