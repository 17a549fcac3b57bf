import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../../helpers/client.ts'
import { TestCluster } from '../../helpers/cluster.ts'
import { busyboxArchive, type TestDaemon } from '../../helpers/daemon.ts'
import { DyingDaemon } from '../../helpers/dying-daemon.ts'
import { eventually } from '../../helpers/eventually.ts'

const cluster = await TestCluster.start({ hosts: 1, parameters: { ttl: '2' } })
const dying = await cluster.join((flags, prepare) => DyingDaemon.start(flags, prepare))
const [steady, mortal] = [cluster.hosts[0]!, dying.daemon]
const hosts = [new TestClient(steady), new TestClient(mortal)]

/** Every so many-th write of the journal's: all of them take minutes. */
const every = Number(process.env['TSNET_TEST_EVERY_WRITE'] ?? 7)

beforeAll(async () => {
  await steady.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
  await hosts[0]!.tsnet('network', 'create', '-d', 'overlay', 'mesh')
  await Promise.all(hosts.map((host) => eventually(() => host.inspect('network', 'mesh'))))
  for (const [index, host] of hosts.entries()) await host.wait(`stays${index}`, '--network', 'mesh')
})
afterAll(async () => {
  await dying.stop()
  await cluster.stop()
})

const start = (host: TestDaemon) => async (): Promise<void> => {
  const client = new TestClient(host)
  const args = ['--network', 'mesh', '-v', 'data:/data', '-v', '/own']
  await client.tsnet(
    'run',
    '-d',
    '--name',
    'web',
    ...args,
    'box',
    'sh',
    '-c',
    'trap "exit 0" TERM; sleep 600 & wait',
  )
  await client.inside('web', 'echo data > /data/file; echo root > /file; echo own > /own/file')
}

const namesOf = async (host: TestClient): Promise<string[]> =>
  (await host.tsnet('ps', '-a', '--format', '{{.Names}} {{.State}}'))
    .split('\n')
    .filter((line) => line.startsWith('web'))

/** On one host it runs with all that it has, and nothing of it is on the other one or half done in etcd. */
async function checkOne(when: string): Promise<void> {
  await eventually(async () => {
    const there = await Promise.all(hosts.map(namesOf))
    expect(there.flat()).toEqual(['web running'])
    const at = there.findIndex((names) => names.length > 0)
    const [host, other] = [hosts[at]!, hosts[1 - at]!]
    expect(await host.inside('web', 'cat /data/file /file /own/file')).toBe('data\nroot\nown')
    expect((await host.tsnet('volume', 'ls', '-q')).split('\n')).toHaveLength(2)
    expect(await other.tsnet('volume', 'ls', '-q')).toBe('')
    expect(await other.inside(`stays${1 - at}`, 'ping -c 1 -W 1 web')).toContain('1 packets received')
    const keys = [...(await cluster.etcd.read('/tsnet/')).entries()]
    expect(
      keys
        .filter(([key]) => /^\/tsnet\/move/.test(key))
        .map(String)
        .join(),
    ).toBe('')
    const names = keys.filter(([key]) => key.endsWith('/web')).map(([, value]) => value.split(' ')[0])
    expect(names).toEqual([at === 0 ? 'h1' : 'h2'])
  }, when)
  for (const host of hosts) await host.daemon.docker('rm', '-fv', 'web')
  for (const host of hosts) await host.daemon.docker('volume', 'rm', '-f', 'data')
  await eventually(async () => {
    const keys = [...(await cluster.etcd.read('/tsnet/')).keys()]
    expect(
      keys.filter((key) => /\/(endpoints|addresses|names)\//.test(key) && !/stays/.test(key)),
    ).toHaveLength(2)
  }, when)
}

describe('a daemon killed in the middle of a move', () => {
  it('leaves the container on one host, whichever journal write it died at where it is moved from', async () => {
    const change = ['container', 'move', '--to', 'h1', 'web']
    expect(await dying.atEachWrite(start(mortal), [change], checkOne, { every })).toBeGreaterThan(1)
  })

  it('leaves the container on one host, whichever journal write it died at where it is moved to', async () => {
    const change = ['container', 'move', '--to', 'h2', 'web']
    const kills = await dying.atEachWrite(start(steady), [change], checkOne, { asked: steady, every })
    expect(kills).toBeGreaterThan(1)
  })
})
