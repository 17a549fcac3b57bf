/** Volumes with a size where the data root has project quota: runs in the guest of test/vm/run, whose kernel has that. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { DiskUsage } from '../../src/api/schema/system.ts'
import type { Volume } from '../../src/api/schema/volume.ts'
import { Fd } from '../../src/sys/fd.ts'
import { isProjectTaken, projectOf } from '../../src/sys/quota.ts'
import { hasProjectQuota } from '../../src/volumes/local/project-quota.ts'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'

const MIB = 1024 * 1024
const temporary = tmpdir()

const mkfs = {
  xfs: ['mkfs.xfs', '-q'],
  ext4: ['mkfs.ext4', '-q', '-O', 'quota,project', '-E', 'quotatype=prjquota'],
} as const

execFileSync('modprobe', ['loop'])

/** A file system in a file, mounted. */
function mountNew(type: keyof typeof mkfs, options: string): string {
  const directory = mkdtempSync(join(temporary, `${type}-`))
  const [command, ...flags] = mkfs[type]
  execFileSync('truncate', ['-s', '500m', join(directory, 'image')])
  execFileSync(command, [...flags, join(directory, 'image')])
  mkdirSync(join(directory, 'mounted'))
  execFileSync('mount', ['-o', `loop${options}`, join(directory, 'image'), join(directory, 'mounted')])
  return directory
}

function unmount(directory: string): void {
  execFileSync('umount', ['-l', join(directory, 'mounted')])
  rmSync(directory, { recursive: true })
}

test.each(['xfs', 'ext4'] as const)('%s without the mount option has no quota', (type) => {
  const directory = mountNew(type, '')
  try {
    expect(hasProjectQuota(join(directory, 'mounted'))).toBe(false)
  } finally {
    unmount(directory)
  }
})

describe.each(['xfs', 'ext4'] as const)('on %s with project quota a volume with a size', (type) => {
  let directory: string
  let daemon: TestDaemon
  let client: TestClient

  beforeAll(async () => {
    directory = mountNew(type, ',prjquota')
    // where the daemon's roots will be
    process.env['TMPDIR'] = join(directory, 'mounted')
    daemon = await TestDaemon.start()
    process.env['TMPDIR'] = temporary
    client = new TestClient(daemon)
    await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
    await client.docker('volume', 'create', '-o', 'size=32m', '-o', 'own=0:0', 'small')
    await client.docker('volume', 'create', '-o', 'size=32m', '-o', 'inodes=50', 'neighbour')
    await client.wait('writer', '-v', 'small:/small', '-v', 'neighbour:/neighbour')
  })
  afterAll(async () => {
    await client?.clear()
    await daemon?.stop()
    unmount(directory)
  })

  const dataOf = (name: string): string => join(daemon.dataRoot, 'volumes', name, '_data')

  /** MiB that fit into a file. */
  async function fill(file: string): Promise<number> {
    const said = await client.inside('writer', `dd if=/dev/zero of=${file} bs=64k 2>&1; stat -c %s ${file}`)
    expect(said).toMatch(/No space left on device|Disk quota exceeded/)
    return Number(said.split('\n').at(-1)) / MIB
  }

  const inspectVolume = async (name: string): Promise<Volume> =>
    JSON.parse(await client.docker('volume', 'inspect', name))[0]

  test('is a directory of a project of its own, which is mounted nowhere', () => {
    expect(hasProjectQuota(dataOf('small'))).toBe(true)
    expect(existsSync(join(daemon.dataRoot, 'volumes/small/image'))).toBe(false)
    const projects = ['small', 'neighbour'].map((name) => {
      using fd = new Fd(openSync(dataOf(name), 'r'))
      return projectOf(fd)
    })
    expect(new Set(projects).size).toBe(2)
    expect(projects).not.toContain(0)
  })

  test('is full at its limit, while the neighbour and the data root go on', async () => {
    const written = await fill('/small/file')
    expect(written).toBeGreaterThan(32 * 0.97)
    expect(written).toBeLessThanOrEqual(32)
    await client.inside('writer', 'dd if=/dev/zero of=/neighbour/file bs=1M count=8')
    await client.inside('writer', 'dd if=/dev/zero of=/tmp/file bs=1M count=8 && rm /tmp/file')
  })

  test('tells what is used', async () => {
    expect((await inspectVolume('small')).Status).toEqual({
      Size: 32 * MIB,
      Used: expect.closeTo(32 * MIB, -6),
    })
    const { body } = await daemon.api('GET', '/system/df?type=volume')
    const sizes = (body as DiskUsage).Volumes.map(({ Name, UsageData }) => [Name, UsageData?.Size])
    expect(Object.fromEntries(sizes)).toEqual({
      small: expect.closeTo(32 * MIB, -6),
      neighbour: expect.closeTo(8 * MIB, -6),
    })
  })

  test('grows while it is used, and does not become smaller than what is', async () => {
    await client.tsnet('volume', 'update', 'small', '--size', '48m')
    expect(await fill('/small/file')).toBeGreaterThan(48 * 0.97)
    const { code, stderr } = await daemon.tsnet('volume', 'update', 'small', '--size', '16m')
    expect(code).not.toBe(0)
    expect(stderr).toMatch(/volume small has \d+ bytes in use/)
    await client.inside('writer', 'rm /small/file')
    await client.tsnet('volume', 'update', 'small', '--size', '16m')
    expect(await fill('/small/file')).toBeLessThanOrEqual(16)
  })

  test('holds no more files than its inodes say', async () => {
    const made = await client.inside(
      'writer',
      'cd /neighbour; for i in $(seq 100); do touch file$i 2>/dev/null || break; done; ls | wc -l',
    )
    expect(Number(made)).toBeGreaterThan(45)
    expect(Number(made)).toBeLessThanOrEqual(50)
  })

  test('keeps its limit in the trash and after it, and gives its project back in the end', async () => {
    await client.remove('writer')
    using root = new Fd(openSync(daemon.dataRoot, 'r'))
    const project = ((): number => {
      using data = new Fd(openSync(dataOf('small'), 'r'))
      return projectOf(data)
    })()
    await client.docker('volume', 'rm', 'small')
    await client.tsnet('volume', 'restore', 'small')
    expect((await inspectVolume('small')).Status).toMatchObject({ Size: 16 * MIB })
    expect(isProjectTaken(root, project)).toBe(true)
    await client.tsnet('volume', 'rm', '--now', 'small')
    await expect.poll(() => isProjectTaken(root, project), { timeout: 30_000 }).toBe(false)
  })
})
