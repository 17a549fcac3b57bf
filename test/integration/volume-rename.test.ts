import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'

const daemon = await TestDaemon.start(['--volume-trash-age', '0'])
const client = new TestClient(daemon)
const { docker, tsnet, inside, wait } = client
const root = join(daemon.dataRoot, 'volumes')

beforeAll(async () => {
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterEach(async () => {
  await client.clear()
  await tsnet('volume', 'prune', '--all', '--force', '--now')
})
afterAll(() => daemon.stop())

const refused = async (...args: string[]): Promise<string> => {
  const { code, stderr } = await daemon.tsnet('volume', 'rename', ...args)
  expect(code).toBe(1)
  return stderr.trim()
}

describe('volume rename', () => {
  it('goes on under a running container, and after that has been stopped and started', async () => {
    await wait(
      'web',
      '-v',
      'data:/data',
      '-v',
      'data:/again:ro',
      '--mount',
      'type=volume,src=data,dst=/third',
    )
    await inside('web', 'echo before > /data/file')
    expect(await tsnet('volume', 'rename', 'data', 'other')).toBe('')
    await inside('web', 'echo after >> /data/file')
    expect(readFileSync(join(root, 'other/_data/file'), 'utf8')).toBe('before\nafter\n')
    expect(existsSync(join(root, 'data'))).toBe(false)
    const [{ Mounts, HostConfig }] = JSON.parse(await docker('inspect', 'web'))
    for (const mount of Mounts) {
      expect(mount).toMatchObject({ Name: 'other', Source: join(root, 'other/_data') })
    }
    expect(Mounts).toHaveLength(3)
    // docker's client gives them in any order
    expect(HostConfig.Binds.sort()).toEqual(['other:/again:ro', 'other:/data'])
    expect(HostConfig.Mounts[0]).toMatchObject({ Source: 'other', Target: '/third' })
    await docker('restart', '-t', '0', 'web')
    expect(await inside('web', 'cat /again/file')).toBe('before\nafter')
    expect((await daemon.docker('volume', 'rm', 'other')).stderr).toContain('volume is in use')
    expect(await docker('volume', 'ls', '-q')).toBe('other')
  })

  it('of a mounted one takes the mount along, and the last user unmounts it', async () => {
    await docker('volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', '-o', 'o=size=1m', 'fast')
    await wait('web', '-v', 'fast:/fast')
    await inside('web', 'echo kept > /fast/file')
    await tsnet('volume', 'rename', 'fast', 'faster')
    await wait('second', '-v', 'faster:/fast')
    expect(await inside('second', 'cat /fast/file')).toBe('kept')
    await client.clear()
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(root)
    expect(await docker('run', '--rm', '-v', 'faster:/fast', 'box', 'ls', '/fast')).toBe('')
  })

  it('gives an anonymous one a name that stays when its container goes', async () => {
    await wait('web', '-v', '/v')
    await inside('web', 'echo kept > /v/file')
    const [{ Name: name }] = JSON.parse(await docker('inspect', '-f', '{{json .Mounts}}', 'web'))
    await tsnet('volume', 'rename', name, 'named')
    await docker('rm', '-fv', 'web')
    await tsnet('volume', 'prune', '-f')
    expect(await docker('run', '--rm', '-v', 'named:/v', 'box', 'cat', '/v/file')).toBe('kept')
  })

  it('refuses taken, equal, bad and unknown names, and what is in the way on the disk', async () => {
    await docker('volume', 'create', 'one')
    await docker('volume', 'create', 'two')
    expect(await refused('one', 'two')).toContain(
      'rename one: there is a volume two already: give another name',
    )
    expect(await refused('one', 'one')).toContain('rename one: that is its name already')
    expect(await refused('one', 'a/b')).toContain('includes invalid characters for a local volume name')
    mkdirSync(join(root, 'leftover'))
    expect(await refused('one', 'leftover')).toContain('exists and belongs to no volume: move it away')
    rmdirSync(join(root, 'leftover'))
    expect(await refused('none', 'new')).toContain('get none: no such volume')
    expect((await docker('volume', 'ls', '-q')).split('\n')).toEqual(['one', 'two'])
  })

  it('and starts of its container at the same time leave it running with the one name it has', async () => {
    await docker('volume', 'create', 'even')
    await docker('create', '--name', 'web', '-v', 'even:/data', 'box', 'sleep', '600')
    for (let round = 0; round < 6; round++) {
      const [from = '', to = ''] = round % 2 ? ['odd', 'even'] : ['even', 'odd']
      await Promise.all([
        daemon.api('POST', `/tsnet/v1/volumes/${from}/rename`, { Name: to }),
        daemon.api('POST', '/containers/web/restart?t=0'),
      ])
      expect(await inside('web', `echo ${round} > /data/file; cat /data/file`)).toBe(String(round))
      expect(readFileSync(join(root, to, '_data/file'), 'utf8')).toBe(`${round}\n`)
    }
  })
})
