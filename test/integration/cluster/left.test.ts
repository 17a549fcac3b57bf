import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../../helpers/client.ts'
import { TestCluster } from '../../helpers/cluster.ts'
import { busyboxArchive } from '../../helpers/daemon.ts'
import { eventually } from '../../helpers/eventually.ts'

const cluster = await TestCluster.start({ hosts: 1, parameters: { ttl: '3' } })
const [daemon] = cluster.hosts as [(typeof cluster.hosts)[number]]
const client = new TestClient(daemon)
const at = daemon.flags.indexOf('--cluster')
const without = daemon.flags.toSpliced(at, 2)

beforeAll(async () => {
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
  await client.tsnet('network', 'create', '-d', 'overlay', '--subnet', '10.201.0.0/24', 'mesh')
  await client.wait('web', '--network', 'mesh')
})
afterAll(() => cluster.stop())

const links = () => daemon.inNetns('ip', ['-br', 'link']).match(/^(vx|veth|br-)\S+/gm) ?? []

describe('a daemon that is started without the cluster it was in', () => {
  it('refuses while containers run on the networks of the cluster, and changes nothing', async () => {
    await daemon.terminate()
    const before = links()
    expect(before).toHaveLength(3)
    await expect(daemon.launch({}, without)).rejects.toThrow(
      'containers run on networks of a cluster (web), and this daemon is started without --cluster: start it as before',
    )
    expect(links()).toEqual(before)
    await daemon.launch()
    await client.inside('web', 'ping -c1 -W1 10.201.0.1')
  })

  it('takes away what there is of them when none runs any more, and has them again with the cluster', async () => {
    const { State } = await client.inspect('container', 'web')
    await daemon.kill()
    process.kill(State.Pid, 'SIGKILL')
    await daemon.launch({}, without)
    expect(links()).toEqual([])
    expect(await client.refusal('start', 'web')).toMatch(
      /overlay networks need a cluster, and this daemon is in none/,
    )
    expect(await client.refusal('network', 'rm', 'mesh')).toMatch(/need a cluster|active endpoints/)
    await client.wait('other')
    await daemon.terminate()
    await daemon.launch()
    await client.docker('start', 'web')
    await eventually(() => client.inside('web', 'ping -c1 -W1 10.201.0.1'))
    await client.clear()
  })
})
