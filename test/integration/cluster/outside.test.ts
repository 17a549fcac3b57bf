import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { TestClient } from '../../helpers/client.ts'
import { TestCluster } from '../../helpers/cluster.ts'
import { busyboxArchive, TestDaemon } from '../../helpers/daemon.ts'

const cluster = await TestCluster.start({ hosts: 0 })
afterAll(() => cluster.stop())

describe('a daemon that is in no cluster', () => {
  it('refuses overlay networks with what is missing, and has no hosts to list', async () => {
    await using daemon = await TestDaemon.start()
    const { refusal } = new TestClient(daemon)
    expect(await refusal('network', 'create', '-d', 'overlay', 'mesh')).toMatch(
      /overlay networks need a cluster, and this daemon is in none: start it with --cluster/,
    )
    expect((await daemon.tsnet('node', 'ls')).stderr).toMatch(/this daemon is in no cluster/)
  })

  it('lets go of the containers that it had on networks of one', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tsnet-config-'))
    const file = join(directory, 'daemon.json')
    const settings = { cluster: cluster.etcd.url(), advertise: 'underlay', 'node-name': 'h1' }
    writeFileSync(file, JSON.stringify(settings))
    await using daemon = await cluster.join((_flags, prepare) =>
      TestDaemon.start(['--config-file', file], {}, '', prepare),
    )
    const client = new TestClient(daemon)
    await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
    await client.tsnet('network', 'create', '-d', 'overlay', 'mesh')
    await client.wait('web', '--network', 'mesh')
    await daemon.terminate()
    writeFileSync(file, '{}')
    await daemon.launch()
    expect((await client.inspect('network', 'mesh')).Driver).toBe('overlay')
    await client.docker('rm', '-f', 'web')
    expect(await client.refusal('network', 'rm', 'mesh')).toMatch(/start it with --cluster/)
    const links = daemon.inNetns('ip', ['-o', 'link', 'show', 'type', 'veth'])
    expect([...links.matchAll(/^\d+: ([^@]+)/gm)].map(([, name]) => name)).toEqual(['underlay'])
    rmSync(directory, { recursive: true })
  })
})
