import { execFileSync } from 'node:child_process'
import { chownSync, existsSync, linkSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { TrashedVolume, VolumeTrashList } from '../../src/api/schema/volume.ts'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { EventReader } from '../helpers/events.ts'

const daemon = await TestDaemon.start(['--volume-trash-space', '0%'])
const client = new TestClient(daemon)
const { docker, tsnet, refusal } = client
const root = join(daemon.dataRoot, 'volumes')

beforeAll(async () => {
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterEach(async () => {
  await client.clear()
  await tsnet('volume', 'prune', '--all', '--force', '--now')
  await tsnet('volume', 'trash', '--empty', '-f')
})
afterAll(() => daemon.stop())

const pathOf = (name: string): string => join(root, name, '_data')
const trashed = async (): Promise<readonly TrashedVolume[]> =>
  ((await daemon.api('GET', '/tsnet/v1/volumes/trash')).body as VolumeTrashList).Volumes
const complaint = async (...args: string[]): Promise<string> => {
  const { code, stderr } = await daemon.tsnet(...args)
  expect(code).not.toBe(0)
  return stderr.trim()
}

describe('a removed volume', () => {
  it('comes back as it was: content, owners, modes, times, links, attributes, labels and options', async () => {
    await docker('volume', 'create', '--label', 'tier=db', 'data')
    const path = pathOf('data')
    writeFileSync(join(path, 'file'), 'content')
    chownSync(join(path, 'file'), 1000, 2000)
    linkSync(join(path, 'file'), join(path, 'second'))
    execFileSync('setfattr', ['-n', 'user.note', '-v', 'kept', join(path, 'file')])
    execFileSync('touch', ['-d', '2001-02-03T04:05:06.789Z', join(path, 'file')])
    const [record] = JSON.parse(await docker('volume', 'inspect', 'data'))
    const status = statSync(join(path, 'file'), { bigint: true })
    expect(await docker('volume', 'rm', 'data')).toBe('data')
    expect(existsSync(join(root, 'data'))).toBe(false)
    expect(await refusal('volume', 'inspect', 'data')).toMatch(/no such volume/i)
    expect(await tsnet('volume', 'restore', 'data')).toBe('data')
    expect(JSON.parse(await docker('volume', 'inspect', 'data'))).toEqual([record])
    const { ino, uid, gid, nlink, mtimeNs } = statSync(join(path, 'second'), { bigint: true })
    expect({ ino, uid, gid, nlink, mtimeNs }).toEqual({
      ino: status.ino,
      uid: 1000n,
      gid: 2000n,
      nlink: 2n,
      mtimeNs: status.mtimeNs,
    })
    expect(
      execFileSync('getfattr', [
        '--absolute-names',
        '--only-values',
        '-n',
        'user.note',
        join(path, 'file'),
      ]).toString(),
    ).toBe('kept')
  })

  it('is the latest of its name, older ones have other names or their ids; one that is there is in the way', async () => {
    for (const content of ['old', 'new']) {
      await docker('volume', 'create', 'data')
      writeFileSync(join(pathOf('data'), 'file'), content)
      await docker('volume', 'rm', 'data')
    }
    await docker('volume', 'create', 'data')
    expect(await complaint('volume', 'restore', 'data')).toBe(
      'Error response from daemon: restore data: there is a volume data: give another name with tsnet volume restore --as NEW data, or rename that one',
    )
    expect(await tsnet('volume', 'restore', '--as', 'back', 'data')).toBe('back')
    expect(readFileSync(join(pathOf('back'), 'file'), 'utf8')).toBe('new')
    const [older] = await trashed()
    expect(await tsnet('volume', 'restore', '--as', 'older', older!.Id.slice(0, 12))).toBe('older')
    expect(readFileSync(join(pathOf('older'), 'file'), 'utf8')).toBe('old')
    expect(await complaint('volume', 'restore', 'data')).toContain('trash data: no such volume in the trash')
    expect(await complaint('volume', 'restore', '--as', 'a/b', 'data')).toMatch(
      /no such volume|invalid characters/,
    )
  })

  it('is listed with what it takes, since when, and until when', async () => {
    await docker('volume', 'create', '--label', 'a=b', 'big')
    writeFileSync(join(pathOf('big'), 'file'), Buffer.alloc(1 << 20, 'x'))
    await docker('volume', 'create', 'other')
    await docker('volume', 'rm', 'big', 'other')
    // measured in the background
    await expect
      .poll(async () => (await trashed()).find(({ Name }) => Name === 'big')?.Size)
      .toBeGreaterThan(1 << 20)
    const [big] = (await trashed()).filter(({ Name }) => Name === 'big')
    expect(Date.parse(big!.EndsAt) - Date.parse(big!.RemovedAt)).toBe(86_400_000)
    expect(await tsnet('volume', 'trash')).toMatch(
      /^VOLUME NAME +SIZE +REMOVED +GOES IN\nother +\S+ +\S.* ago +2[34] hours\nbig +1\.06MB +\S.* ago +2[34] hours$/,
    )
    expect(await tsnet('volume', 'trash', '-q', '--filter', 'label=a=b')).toBe('big')
    expect(
      await tsnet('volume', 'trash', '--format', '{{.Name}} {{.ID}} {{.Label "a"}}', '--filter', 'name=big'),
    ).toBe(`big ${big!.Id.slice(0, 12)} b`)
    expect(await complaint('volume', 'trash', 'big')).toContain('names go with --empty')
  })

  it('is gone for good with --now, and once the trash is emptied of it or of all', async () => {
    for (const name of ['one', 'two', 'three', 'four']) await docker('volume', 'create', name)
    await tsnet('volume', 'rm', '--now', 'four')
    expect(await trashed()).toEqual([])
    await docker('volume', 'rm', 'one', 'two', 'three')
    expect(await tsnet('volume', 'trash', '--empty', '-f', 'two')).toMatch(
      /^Deleted Volumes:\ntwo +\S+\n\nTotal reclaimed space: \d/,
    )
    expect((await trashed()).map(({ Name }) => Name).sort()).toEqual(['one', 'three'])
    const { code, stderr, stdout } = await daemon.tsnetWith({ input: 'n\n' }, 'volume', 'trash', '--empty')
    expect(`${code} ${stdout}${stderr}`).toMatch(
      /^1 WARNING! This will remove all volumes in the trash for good\.\n.*volume trash has been cancelled\n$/s,
    )
    expect(await trashed()).toHaveLength(2)
    await tsnet('volume', 'trash', '--empty', '-f')
    expect(await trashed()).toEqual([])
    expect(readdirSync(join(root, '.trash'))).toEqual([])
  })

  it('that was anonymous gets a name for good when it is restored under one', async () => {
    await docker('run', '--name', 'web', '-v', '/v', 'box', 'sh', '-c', 'echo kept > /v/file')
    const [{ Name: name }] = JSON.parse(await docker('inspect', '-f', '{{json .Mounts}}', 'web'))
    await docker('rm', 'web')
    expect(JSON.parse(await tsnet('volume', 'inspect', name))[0].Origin).toEqual({
      Container: 'web',
      Image: 'box',
      Target: '/v',
    })
    expect(await tsnet('volume', 'ls')).toMatch(
      new RegExp(`^DRIVER +VOLUME NAME +ORIGIN\nlocal +${name} +web:/v \\(box\\)$`),
    )
    await docker('volume', 'rm', name)
    await tsnet('volume', 'restore', '--as', 'named', name)
    await tsnet('volume', 'prune', '-f')
    expect(await docker('run', '--rm', '-v', 'named:/v', 'box', 'cat', '/v/file')).toBe('kept')
    expect(JSON.parse(await docker('volume', 'inspect', 'named'))[0].Labels).toBeNull()
  })

  it('goes at once with its container where it was that container’s own', async () => {
    await docker('run', '--rm', '-v', '/v', 'box', 'true')
    await docker('run', '--name', 'goer', '-v', '/v', 'box', 'true')
    await docker('rm', '-v', 'goer')
    expect(await trashed()).toEqual([])
    expect(await docker('volume', 'ls', '-q')).toBe('')
  })

  it('is told of by events', async () => {
    const events = await EventReader.open(daemon, { type: ['volume'] })
    await docker('volume', 'create', 'data')
    await tsnet('volume', 'rename', 'data', 'other')
    await tsnet('volume', 'update', '--label', 'a=b', 'other')
    await docker('volume', 'rm', 'other')
    await tsnet('volume', 'restore', '--as', 'third', 'other')
    await tsnet('volume', 'rm', '--now', 'third')
    await docker('volume', 'prune', '-f')
    const wanted = ['create', 'rename', 'update', 'trash', 'destroy', 'restore', 'destroy', 'prune']
    await expect.poll(() => events.seen.map(({ Action }) => Action)).toEqual(wanted)
    events.close()
  })
})

describe('a protected volume', () => {
  it('is refused to whoever removes or prunes it, until that is taken back', async () => {
    await tsnet('volume', 'create', '--protect', 'data')
    expect(JSON.parse(await tsnet('volume', 'inspect', 'data'))[0].Protected).toBe(true)
    const text =
      'remove data: volume is protected: take that back with tsnet volume update --protect=false data'
    expect(await refusal('volume', 'rm', 'data')).toContain(text)
    expect(await refusal('volume', 'rm', '-f', 'data')).toContain(text)
    expect((await daemon.api('DELETE', '/volumes/data?now=1')).status).toBe(409)
    await tsnet('volume', 'prune', '--all', '--force')
    expect(await docker('volume', 'ls', '-q')).toBe('data')
    await tsnet('volume', 'update', '--protect=false', 'data')
    expect(await docker('volume', 'rm', 'data')).toBe('data')
  })
})

describe('volume create and update', () => {
  it('return what is there, and tsnet warns of what is not as it was wished for', async () => {
    await tsnet('volume', 'create', '--label', 'a=1', 'data')
    expect((await daemon.tsnet('volume', 'create', '--label', 'a=1', 'data')).stderr).toBe('')
    const { code, stdout, stderr } = await daemon.tsnet(
      'volume',
      'create',
      '--label',
      'a=2',
      '--protect',
      'data',
    )
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'data\n' })
    expect(stderr).toBe(
      'WARNING: volume data was there already, with other labels: they are left as they are\n' +
        'WARNING: volume data was there already, with other protection: they are left as they are\n',
    )
    await tsnet('volume', 'update', '--label', 'b=2', '--label-rm', 'a', 'data')
    expect(JSON.parse(await docker('volume', 'inspect', 'data'))[0].Labels).toEqual({ b: '2' })
    expect(await complaint('volume', 'update', 'data')).toContain('you must provide one or more flags')
    expect(await complaint('volume', 'update', '--label', 'b=2', 'none')).toContain(
      'get none: no such volume',
    )
  })
})

describe('the trash of a daemon', () => {
  it.each([
    [
      'has been in it for as long as the daemon keeps it',
      ['--volume-trash-age', '2s', '--volume-trash-space', '0%'],
    ],
    ['takes space that the file system has not left', ['--volume-trash-space', '100%']],
  ])('is left by what %s, also while nobody looks', async (_, flags) => {
    await using other = await TestDaemon.start(flags)
    await other.docker('volume', 'create', 'data')
    await other.docker('volume', 'rm', 'data')
    const trash = join(other.dataRoot, 'volumes/.trash')
    await expect.poll(() => readdirSync(trash), { timeout: 10_000 }).toEqual([])
    expect((await other.tsnet('volume', 'restore', 'data')).stderr).toContain('no such volume in the trash')
  })

  it('is not there when it is to keep nothing', async () => {
    await using other = await TestDaemon.start(['--volume-trash-age', '0'])
    await other.docker('volume', 'create', 'data')
    await other.docker('volume', 'rm', 'data')
    expect((await other.tsnet('volume', 'trash', '-q')).stdout).toBe('')
    expect(readdirSync(join(other.dataRoot, 'volumes/.trash'))).toEqual([])
  })
})
