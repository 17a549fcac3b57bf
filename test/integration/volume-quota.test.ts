import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { DiskUsage } from '../../src/api/schema/system.ts'
import type { Volume } from '../../src/api/schema/volume.ts'
import { loopsOf } from '../../src/sys/loop.ts'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { EventReader } from '../helpers/events.ts'

const MIB = 1024 * 1024
const daemon = await TestDaemon.start(['--volume-trash-age', '1h'])
const client = new TestClient(daemon)
const { docker, tsnet, refusal, inside, remove, wait } = client

// A volume that fills up on a host of its own: the daemon looks every ten seconds, which the other tests do not wait for.
const filling = await TestDaemon.start()
const quotaEvents = await EventReader.open(filling, { type: ['volume'], event: ['quota'] })

beforeAll(async () => {
  const input = busyboxArchive()
  await Promise.all([daemon, filling].map((one) => one.dockerWith({ input }, 'import', '-', 'box')))
  const other = new TestClient(filling)
  await other.docker('volume', 'create', '-o', 'size=16m', 'filling')
  await other.wait('writer', '-v', 'filling:/v')
  await other.inside('writer', 'dd if=/dev/zero of=/v/file bs=1M count=15 && sync')
})
afterEach(async () => {
  await client.clear()
  const left = await docker('volume', 'ls', '-q')
  if (left !== '') await tsnet('volume', 'rm', '--now', ...left.split('\n'))
})
afterAll(async () => {
  quotaEvents.close()
  await Promise.all([daemon.stop(), filling.stop()])
})

const limited = (name: string, size: string, ...args: string[]): Promise<string> =>
  docker('volume', 'create', '-o', `size=${size}`, ...args, name)

/** MiB that are written into a file before the disk is full, and what dd says of it. */
async function fill(container: string, file: string): Promise<number> {
  const said = await inside(container, `dd if=/dev/zero of=${file} bs=64k 2>&1; stat -c %s ${file}`)
  expect(said).toContain('No space left on device')
  return Number(said.split('\n').at(-1)) / MIB
}

async function inspectVolume(name: string): Promise<Volume> {
  return JSON.parse(await docker('volume', 'inspect', name))[0]
}

const imageOf = (name: string): string => join(daemon.dataRoot, 'volumes', name, 'image')

describe('a volume with a size', () => {
  it('is full when that is used, while its neighbour goes on, and has the room back that is given free', async () => {
    await limited('small', '64m')
    await limited('neighbour', '16m')
    await wait('writer', '-v', 'small:/small', '-v', 'neighbour:/neighbour')
    const written = await fill('writer', '/small/file')
    expect(written).toBeGreaterThan(64 * 0.97)
    expect(written).toBeLessThanOrEqual(64)
    await inside('writer', 'dd if=/dev/zero of=/neighbour/file bs=1M count=8 && sync')
    await inside('writer', 'rm /small/file && dd if=/dev/zero of=/small/again bs=1M count=60')
  })

  it('is empty at first, is filled with what the image has there, and belongs to whom it is to', async () => {
    await limited('fresh', '16m', '-o', 'own=1000:2000')
    expect(await docker('run', '--rm', '-v', 'fresh:/v', 'box', 'stat', '-c', '%u:%g %a', '/v')).toBe(
      '1000:2000 755',
    )
    expect(await docker('run', '--rm', '-v', 'fresh:/data', 'box', 'ls', '-A', '/data')).toBe('seed')
    expect(await docker('run', '--rm', '-v', 'fresh:/other', 'box', 'cat', '/other/seed')).toBe('from-image')
  })

  it('takes next to nothing of the disk as long as it is empty', async () => {
    await limited('sparse', '1g')
    const stats = statSync(imageOf('sparse'))
    expect(stats.size).toBeGreaterThan(1024 * MIB)
    expect(stats.blocks * 512).toBeLessThan(8 * MIB)
  })

  it('grows while a container writes into it, and keeps what it holds', async () => {
    await limited('growing', '16m')
    await wait('writer', '-v', 'growing:/v')
    await inside('writer', 'echo before > /v/kept')
    expect(await fill('writer', '/v/file')).toBeLessThan(16)
    expect(await tsnet('volume', 'update', 'growing', '--size', '32m')).toBe('growing')
    expect((await inspectVolume('growing')).Options).toEqual({ size: '32m' })
    const written = await fill('writer', '/v/file')
    expect(written).toBeGreaterThan(32 * 0.97)
    expect(written).toBeLessThanOrEqual(32)
    expect(await inside('writer', 'cat /v/kept')).toBe('before')
    // the new limit holds for the next container too
    await remove('writer')
    await wait('writer', '-v', 'growing:/v')
    expect(await fill('writer', '/v/file')).toBeGreaterThan(32 * 0.97)
  })

  it('becomes smaller down to what is used, and no further', async () => {
    await limited('shrinking', '32m')
    await wait('writer', '-v', 'shrinking:/v')
    await inside('writer', 'dd if=/dev/zero of=/v/file bs=1M count=10 && sync')
    const { code, stderr } = await daemon.tsnet('volume', 'update', 'shrinking', '--size', '8m')
    expect(code).not.toBe(0)
    expect(stderr).toMatch(/volume shrinking has \d+ bytes in use: it cannot be made smaller than that/)
    await tsnet('volume', 'update', 'shrinking', '--size', '16m')
    expect(await fill('writer', '/v/more')).toBeLessThanOrEqual(6)
  })

  it('tells what is used of it, in use or not, in inspect and in system df', async () => {
    await limited('told', '32m')
    await docker('volume', 'create', 'plain')
    await wait('writer', '-v', 'told:/v', '-v', 'plain:/p')
    await inside('writer', 'for v in /v /p; do dd if=/dev/zero of=$v/file bs=1M count=10; done; sync')
    const used = { Size: 32 * MIB, Used: expect.closeTo(10 * MIB, -5) }
    expect((await inspectVolume('told')).Status).toEqual(used)
    await remove('writer')
    expect((await inspectVolume('told')).Status).toEqual(used)
    expect((await inspectVolume('plain')).Status).toBeUndefined()
    const { body } = await daemon.api('GET', '/v1.45/system/df?type=volume')
    const usage = (body as DiskUsage).Volumes.map(({ Name, UsageData }) => [Name, UsageData])
    const size = { Size: expect.closeTo(10 * MIB, -5), RefCount: 0 }
    expect(Object.fromEntries(usage)).toEqual({ told: size, plain: size })
    const heads = (text: string): string[] => text.split('\n').filter((line) => /^[A-Z]{2}/.test(line))
    const volumeLines = (text: string): string[] =>
      text
        .split('\n')
        .filter((line) => /^(told|plain) /.test(line))
        .sort()
    const [byDocker, byTsnet] = [await docker('system', 'df', '-v'), await tsnet('system', 'df', '-v')]
    expect(volumeLines(byDocker)[1]).toMatch(/^told +0 +10\.\d+MB$/)
    expect(volumeLines(byTsnet)).toEqual(volumeLines(byDocker))
    expect(heads(byTsnet)).toEqual(heads(byDocker))
    expect(await tsnet('system', 'df')).toMatch(/^Local Volumes +2 +0 +2\d\.\d+MB +2\d\.\d+MB \(100%\)$/m)
  })

  it('is mounted while it is used, and leaves no loop device behind', async () => {
    await limited('used', '16m')
    expect(loopsOf(imageOf('used'))).toEqual([])
    await wait('one', '-v', 'used:/v')
    await wait('two', '-v', 'used:/v')
    expect(loopsOf(imageOf('used'))).toHaveLength(1)
    await inside('one', 'echo shared > /v/file')
    expect(await inside('two', 'cat /v/file')).toBe('shared')
    await remove('one')
    await inside('two', 'echo more >> /v/file')
    await remove('two')
    await expect.poll(() => loopsOf(imageOf('used'))).toEqual([])
  })

  it('survives a daemon that is killed, renaming, the trash and restoring', async () => {
    await limited('data', '16m')
    await wait('writer', '-v', 'data:/v')
    await daemon.kill()
    await daemon.launch()
    await inside('writer', 'echo kept > /v/file')
    await tsnet('volume', 'rename', 'data', 'renamed')
    expect(await inside('writer', 'cat /v/file')).toBe('kept')
    expect((await inspectVolume('renamed')).Status).toMatchObject({ Size: 16 * MIB })
    await remove('writer')
    await docker('volume', 'rm', 'renamed')
    expect(existsSync(imageOf('renamed'))).toBe(false)
    await tsnet('volume', 'restore', 'renamed')
    expect(await docker('run', '--rm', '-v', 'renamed:/v', 'box', 'cat', '/v/file')).toBe('kept')
  })

  it('is rolled back although both contents together are too much for it, and keeps its limit', async () => {
    await limited('rolled', '16m')
    await wait('writer', '-v', 'rolled:/v')
    await inside('writer', 'dd if=/dev/urandom of=/v/old bs=1M count=10 && sync')
    const sum = await inside('writer', 'sha256sum /v/old')
    await tsnet('volume', 'snapshot', 'rolled', 'before')
    await inside('writer', 'rm /v/old && dd if=/dev/urandom of=/v/new bs=1M count=12 && sync')
    await remove('writer')
    await tsnet('volume', 'rollback', 'rolled', 'before')
    expect(await docker('run', '--rm', '-v', 'rolled:/v', 'box', 'sha256sum', '/v/old')).toBe(sum)
    await wait('writer', '-v', 'rolled:/v')
    expect(await fill('writer', '/v/more')).toBeLessThanOrEqual(6)
  })

  it('is refused with a size that is none, is too small, or cannot change', async () => {
    expect(await refusal('volume', 'create', '-o', 'size=much', 'bad')).toContain("invalid size: 'much'")
    expect(await refusal('volume', 'create', '-o', 'size=1m', 'bad')).toContain(
      'a volume can be limited to 4m at the least',
    )
    expect(await refusal('volume', 'create', '-o', 'inodes=5', 'bad')).toContain(
      'missing required option: "size"',
    )
    await docker('volume', 'create', 'plain')
    const { stderr } = await daemon.tsnet('volume', 'update', 'plain', '--size', '8m')
    expect(stderr).toContain('volume plain has no size limit that could change')
    await docker('volume', 'create', '-o', 'size=8m', 'limited')
    const lost = await daemon.tsnet('volume', 'update', 'limited', '--size', '0')
    expect(lost.stderr).toContain('volume limited cannot lose its size limit')
    expect((await inspectVolume('plain')).Options).toBeNull()
  })

  it('is told of by an event when it is nearly full', async () => {
    await expect.poll(() => quotaEvents.seen, { timeout: 30_000 }).toHaveLength(1)
    expect(quotaEvents.seen[0]).toMatchObject({
      Type: 'volume',
      Action: 'quota',
      Actor: {
        ID: 'filling',
        Attributes: { driver: 'local', limit: `${16 * MIB}`, percent: expect.stringMatching(/^9\d$/) },
      },
    })
  }, 60_000)
})
