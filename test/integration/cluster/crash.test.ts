import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestCluster } from '../../helpers/cluster.ts'
import { DyingDaemon } from '../../helpers/dying-daemon.ts'
import { eventually } from '../../helpers/eventually.ts'

const cluster = await TestCluster.start({ hosts: 0, parameters: { ttl: '2' } })
const dying = await cluster.join((flags, prepare) => DyingDaemon.start(flags, prepare))
const { daemon } = dying

beforeAll(async () => {
  await daemon.tsnet('network', 'create', '-d', 'overlay', 'mesh')
})
afterAll(async () => {
  await dying.stop()
  await cluster.stop()
})

/** What a container on a network of the cluster leaves behind, on its host and in etcd. */
async function traces(): Promise<string[]> {
  const keys = [...(await cluster.etcd.read('/tsnet/')).keys()].filter((key) =>
    /\/(endpoints|addresses|names)\//.test(key),
  )
  const links = daemon.inNetns('ip', ['-br', 'link']).match(/^(vx|veth|br-)\S+/gm) ?? []
  return [...keys, ...links]
}

describe('a daemon killed in the middle of a change on a network of the cluster', () => {
  const web = ['--name', 'web', '--network', 'mesh', 'box', 'sleep', '60']

  it('leaves nothing behind, on its host and in etcd, whichever journal write of a run it died at', async () => {
    const kills = await dying.atEachWrite(
      async () => {},
      [['run', '-d', ...web]],
      async (when) => {
        await daemon.docker('rm', '-f', 'web')
        await eventually(async () => expect(await traces(), when).toEqual([]))
      },
    )
    expect(kills).toBeGreaterThan(5)
  })

  it('has the container off the network or on it, whichever journal write of a disconnect it died at', async () => {
    const prepare = async (): Promise<void> => {
      expect((await daemon.docker('run', '-d', ...web)).code).toBe(0)
    }
    const kills = await dying.atEachWrite(
      prepare,
      [['network', 'disconnect', 'mesh', 'web']],
      async (when) => {
        const { body } = await daemon.api('GET', '/containers/web/json')
        const { NetworkSettings } = body as { NetworkSettings: { Networks: object } }
        const isOn = Object.keys(NetworkSettings.Networks).length > 0
        await eventually(async () => expect((await traces()).length > 0, when).toBe(isOn))
        await daemon.docker('rm', '-f', 'web')
        await eventually(async () => expect(await traces(), when).toEqual([]))
      },
    )
    expect(kills).toBeGreaterThan(0)
  })
})
