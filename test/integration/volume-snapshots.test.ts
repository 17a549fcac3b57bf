import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { VolumeSnapshot, VolumeSnapshotList } from '../../src/api/schema/volume.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { DyingDaemon } from '../helpers/dying-daemon.ts'

async function snapshotsOf(daemon: TestDaemon, volume: string): Promise<readonly VolumeSnapshot[]> {
  const { body } = await daemon.api('GET', `/tsnet/v1/volumes/${volume}/snapshots`)
  return (body as VolumeSnapshotList).Snapshots
}

const namesOf = async (daemon: TestDaemon, volume: string): Promise<string[]> =>
  (await snapshotsOf(daemon, volume)).map(({ Name }) => Name)

function stored(daemon: TestDaemon): string[] {
  const directory = join(daemon.dataRoot, 'volumes/.snapshots')
  return existsSync(directory) ? readdirSync(directory).sort() : []
}

describe('snapshots of a volume', () => {
  let daemon: TestDaemon
  let data: string

  beforeAll(async () => {
    daemon = await TestDaemon.start()
    await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
    data = join(daemon.dataRoot, 'volumes/data/_data')
  })
  afterAll(() => daemon.stop())
  afterEach(async () => {
    const containers = (await daemon.docker('ps', '-aq')).stdout.split('\n').filter((id) => id !== '')
    if (containers.length > 0) await daemon.docker('rm', '-fv', ...containers)
    await daemon.tsnet('volume', 'prune', '-af', '--now')
    await daemon.tsnet('volume', 'trash', '--empty', '-f')
  })

  const make = async (...options: string[]): Promise<void> => {
    expect((await daemon.docker('volume', 'create', ...options, 'data')).code).toBe(0)
    await write('first')
  }
  /** Through a container: not every volume is mounted otherwise. */
  const write = async (text: string): Promise<void> => {
    const script = `rm -rf /d/*; mkdir /d/${text}; echo ${text} > /d/${text}/file; echo ${text} > /d/same`
    const done = await daemon.docker('run', '--rm', '-v', 'data:/d', 'box', 'sh', '-c', script)
    expect(done).toMatchObject({ code: 0, stderr: '' })
  }
  const read = async (): Promise<string> =>
    (
      await daemon.docker(
        'run',
        '--rm',
        '-v',
        'data:/d',
        'box',
        'sh',
        '-c',
        'cd /d; cat same; ls */; ls | wc -l',
      )
    ).stdout
  const holds = (text: string): string => `${text}\nfile\n2\n`

  it('bring back what it held, and keep what it holds until then', async () => {
    await make()
    expect((await daemon.tsnet('volume', 'snapshot', 'data', 'one')).stdout).toBe('one\n')
    await write('second')
    const rolled = await daemon.tsnet('volume', 'rollback', 'data', 'one')
    expect(rolled.stdout).toMatch(/^before-rollback-[\dT-]+\n$/)
    expect(await read()).toBe(holds('first'))
    expect(await namesOf(daemon, 'data')).toEqual(['one', rolled.stdout.trim()])
    expect((await daemon.tsnet('volume', 'rollback', '--now', 'data', rolled.stdout.trim())).stdout).toBe('')
    expect(await read()).toBe(holds('second'))
    expect(await namesOf(daemon, 'data')).toHaveLength(2)
  })

  it('are named by the time unless they are given a name, and listed, the oldest first', async () => {
    await make()
    const unnamed = await daemon.tsnet('volume', 'snapshot', 'data')
    expect(unnamed.stdout).toMatch(/^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\n$/)
    await daemon.tsnet('volume', 'snapshot', 'data', 'named')
    const listed = await daemon.tsnet('volume', 'snapshots', 'data')
    expect(listed.stdout.split('\n')[0]).toMatch(/^SNAPSHOT +SIZE +CREATED$/)
    expect((await daemon.tsnet('volume', 'snapshots', '-q', 'data')).stdout).toBe(`${unnamed.stdout}named\n`)
    const [snapshot] = await snapshotsOf(daemon, 'data')
    expect(snapshot?.Size).toBe('first\n'.length * 2)
  })

  it('go one by one, by name or id, and with their data', async () => {
    await make()
    for (const name of ['one', 'two', 'three']) await daemon.tsnet('volume', 'snapshot', 'data', name)
    const [, two] = await snapshotsOf(daemon, 'data')
    const gone = await daemon.tsnet(
      'volume',
      'snapshots',
      '--rm',
      'data',
      'one',
      two!.Id.slice(0, 12),
      'none',
    )
    expect(gone).toMatchObject({ code: 1, stdout: expect.stringContaining('one') })
    expect(gone.stderr).toContain('volume data: no such snapshot: none')
    expect(await namesOf(daemon, 'data')).toEqual(['three'])
    expect(stored(daemon)).toHaveLength(1)
  })

  it('stay with the volume when it is renamed, removed and restored, and go when it is purged', async () => {
    await make()
    await daemon.tsnet('volume', 'snapshot', 'data', 'one')
    await daemon.tsnet('volume', 'rename', 'data', 'other')
    expect(await namesOf(daemon, 'other')).toEqual(['one'])
    await daemon.docker('volume', 'rm', 'other')
    await daemon.tsnet('volume', 'restore', '--as', 'data', 'other')
    expect(await namesOf(daemon, 'data')).toEqual(['one'])
    await daemon.tsnet('volume', 'rm', '--now', 'data')
    expect(stored(daemon)).toEqual([])
  })

  it('are refused under a name that is taken or cannot be, and of what is not there', async () => {
    await make()
    await daemon.tsnet('volume', 'snapshot', 'data', 'one')
    const texts = async (...args: string[]) => (await daemon.tsnet('volume', ...args)).stderr
    expect(await texts('snapshot', 'data', 'one')).toContain('volume data has a snapshot one already')
    expect(await texts('snapshot', 'data', '../one')).toContain('invalid characters for a snapshot name')
    expect(await texts('snapshot', 'none')).toContain('get none: no such volume')
    expect(await texts('rollback', 'data', 'none')).toContain('volume data: no such snapshot: none')
    expect(await texts('snapshots', 'none')).toContain('get none: no such volume')
  })

  it('are not gone back to while containers run with the volume, which are named', async () => {
    await make()
    await daemon.tsnet('volume', 'snapshot', 'data', 'one')
    await daemon.docker('run', '-d', '--name', 'user', '-v', 'data:/d', 'box', 'sleep', '100')
    const refused = await daemon.tsnet('volume', 'rollback', 'data', 'one')
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(
      /rollback data: volume is in use by running containers - \[[0-9a-f]{64}\] \(user\): stop them first/,
    )
    await daemon.docker('stop', '-t', '0', 'user')
    expect((await daemon.tsnet('volume', 'rollback', 'data', 'one')).code).toBe(0)
    expect((await daemon.docker('start', 'user')).code).toBe(0)
  })

  it('work for a volume with a limit, whose file system is mounted only meanwhile', async () => {
    await make('--opt', 'size=32m')
    expect((await daemon.tsnet('volume', 'snapshot', 'data', 'one')).stderr).toBe('')
    await write('second')
    expect((await daemon.tsnet('volume', 'rollback', 'data', 'one')).stderr).toBe('')
    expect(await read()).toBe(holds('first'))
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(data)
  })

  it('are gone back to in a volume with a limit that is more than half full', async () => {
    await make('--opt', 'size=32m')
    const fill = 'dd if=/dev/urandom of=/d/big bs=1M count=20 2>/dev/null'
    await daemon.docker('run', '--rm', '-v', 'data:/d', 'box', 'sh', '-c', fill)
    await daemon.tsnet('volume', 'snapshot', 'data', 'one')
    await daemon.docker('run', '--rm', '-v', 'data:/d', 'box', 'sh', '-c', 'echo changed > /d/same')
    expect((await daemon.tsnet('volume', 'rollback', 'data', 'one')).stderr).toBe('')
    expect(await read()).toBe('first\nfile\n3\n')
  })

  it('that do not fit on the disk beside what the volume holds leave it as it is', async () => {
    const image = join(daemon.root, 'disk')
    execFileSync('truncate', ['-s', '32M', image])
    execFileSync('mkfs.ext4', ['-q', image])
    await make(...['type=ext4', 'o=loop', `device=${image}`].flatMap((option) => ['--opt', option]))
    const fill = 'dd if=/dev/urandom of=/d/big bs=1M count=16 2>/dev/null'
    await daemon.docker('run', '--rm', '-v', 'data:/d', 'box', 'sh', '-c', fill)
    await daemon.tsnet('volume', 'snapshot', 'data', 'one')
    const before = stored(daemon)
    const failed = await daemon.tsnet('volume', 'rollback', 'data', 'one')
    expect(failed.code).toBe(1)
    expect(failed.stderr).toMatch(/rollback data: .*ENOSPC, no space left on device/)
    expect(await read()).toBe('first\nfile\n3\n')
    expect(stored(daemon)).toEqual(before)
  })

  it('with --pause hold a consistent prefix of what a program writes and syncs', async () => {
    await make()
    // Each number is in the first file before it is in the second.
    const script = 'cd /d; i=0; while :; do i=$((i+1)); echo $i >> a; sync a; echo $i >> b; sync b; done'
    await daemon.docker('run', '-d', '--name', 'writer', '-v', 'data:/d', 'box', 'sh', '-c', script)
    await expect.poll(() => existsSync(join(data, 'b'))).toBe(true)
    for (let round = 0; round < 3; round++) {
      expect((await daemon.tsnet('volume', 'snapshot', '--pause', 'data', `n${round}`)).stderr).toBe('')
      const path = join(daemon.dataRoot, 'volumes/.snapshots', (await snapshotsOf(daemon, 'data')).at(-1)!.Id)
      const [first, second] = ['a', 'b'].map((name) => readFileSync(join(path, name), 'utf8'))
      expect(first!.startsWith(second!)).toBe(true)
      expect(first!.split('\n').length - second!.split('\n').length).toBeLessThanOrEqual(1)
    }
    const length = readFileSync(join(data, 'b')).length
    // The writer goes on.
    await expect.poll(() => readFileSync(join(data, 'b')).length).toBeGreaterThan(length)
  })

  it('never show through: the API, du and prune know volumes alone', async () => {
    await make()
    await daemon.tsnet('volume', 'snapshot', 'data', 'one')
    expect((await daemon.docker('volume', 'ls', '-q')).stdout).toBe('data\n')
    expect((await daemon.docker('volume', 'inspect', '.snapshots')).code).toBe(1)
  })
})

// Each death costs a start of the daemon.
describe('a daemon killed at each step', { timeout: 180_000 }, () => {
  let dying: DyingDaemon
  let daemon: TestDaemon
  let data: string
  beforeAll(async () => {
    dying = await DyingDaemon.start()
    daemon = dying.daemon
    data = join(daemon.dataRoot, 'volumes/data/_data')
  })
  afterAll(() => dying.stop())

  /** A volume with `old` in it and a snapshot `one` of `new`. */
  const prepare = async (): Promise<void> => {
    expect((await daemon.api('DELETE', '/volumes/data?force=1&now=1')).status).toBe(204)
    expect((await daemon.api('POST', '/volumes/create', { Name: 'data' })).status).toBe(201)
    fill('new')
    await daemon.tsnet('volume', 'snapshot', 'data', 'one')
    fill('old')
  }
  const fill = (text: string): void => {
    rmSync(data, { recursive: true })
    mkdirSync(join(data, text), { recursive: true })
    for (const name of [`${text}/file`, 'same']) writeFileSync(join(data, name), text)
  }
  const content = (): string[] => [
    ...readdirSync(data, { recursive: true }).map(String).sort(),
    readFileSync(join(data, 'same'), 'utf8'),
  ]
  const settled = async (when: string): Promise<string[]> => {
    const ids = (await snapshotsOf(daemon, 'data')).map(({ Id }) => Id).sort()
    // Leftovers go in the background.
    await expect.poll(() => stored(daemon), { message: when }).toEqual(ids)
    return await namesOf(daemon, 'data')
  }

  it('of a snapshot has all of it or nothing', async () => {
    const seen = new Set<number>()
    const deaths = await dying.atEachWrite(
      prepare,
      [['volume', 'snapshot', 'data', 'two']],
      async (when) => void seen.add((await settled(when)).length),
    )
    expect(deaths).toBeGreaterThanOrEqual(2)
    expect([...seen].sort()).toEqual([1, 2])
  })

  it('of a rollback has the old content or the new', async () => {
    const seen = new Set<string>()
    const deaths = await dying.atEachWrite(prepare, [['volume', 'rollback', 'data', 'one']], async (when) => {
      const now = content()
      expect(
        [
          ['old', 'old/file', 'same', 'old'],
          ['new', 'new/file', 'same', 'new'],
        ],
        when,
      ).toContainEqual(now)
      expect(await settled(when)).toContain('one')
      seen.add(now.at(-1)!)
    })
    expect(deaths).toBeGreaterThanOrEqual(4)
    expect([...seen].sort()).toEqual(['new', 'old'])
  })

  it('lets containers go on that stood still', async () => {
    await prepare()
    await daemon.docker(
      'run',
      '-d',
      '--name',
      'writer',
      '-v',
      'data:/d',
      'box',
      'sh',
      '-c',
      'while :; do date >> /d/log; sleep 0.02; done',
    )
    await dying.atEachWrite(
      async () => {},
      [['volume', 'snapshot', '--pause', 'data']],
      async (when) => {
        const { length } = readFileSync(join(data, 'log'))
        await expect
          .poll(() => readFileSync(join(data, 'log')).length, { message: when })
          .toBeGreaterThan(length)
      },
    )
    await daemon.docker('rm', '-f', 'writer')
  })
})
