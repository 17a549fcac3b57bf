/** Volumes with a size on file systems without project quota: what they hold, on what, and what becomes of those cut short. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Labels, VolumeRecord } from '../../../src/store/records.ts'
import { availableCapabilities } from '../../../src/sys/caps.ts'
import { attachLoop, loopsOf } from '../../../src/sys/loop.ts'
import { mount } from '../../../src/sys/mount.ts'
import { makeImage } from '../../../src/volumes/worker/make-image.ts'
import { recordOf } from '../../contract/volume.contract.ts'
import { requires } from '../../helpers/requires.ts'
import { LocalLab } from '../../helpers/volume-lab.ts'

const MIB = 1024 * 1024
let lab: LocalLab

beforeEach(() => {
  lab = new LocalLab()
})
afterEach(() => lab.close())

async function make(options: Labels, name = 'data'): Promise<VolumeRecord> {
  return recordOf(lab.driver, name, options, await lab.driver.create(name, options))
}

/** Writes until the disk is full; bytes. */
function fill(file: string): number {
  const fd = openSync(file, 'w')
  const chunk = Buffer.alloc(65_536, 1)
  let written = 0
  try {
    for (;;) written += writeSync(fd, chunk)
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC')
    return written
  } finally {
    closeSync(fd)
  }
}

/** Another file system as the data root, for this lab. */
function put(type: 'xfs' | 'btrfs' | 'tmpfs'): void {
  const target = join(lab.root, 'volumes')
  if (type === 'tmpfs') {
    mount('tmpfs', target, type, 0, '')
    return
  }
  const device = attachLoop(lab.image(type))
  using _ = device.fd
  mount(device.path, target, type, 0, '')
}

const imageOf = ({ name }: VolumeRecord): string => join(lab.root, 'volumes', name, 'image')

describe('a volume with a size', () => {
  test.each(['4m', '5m', '64m', '300m'])('of %s has that much room, within three per cent', async (size) => {
    const wanted = Number.parseInt(size, 10) * MIB
    const path = await lab.driver.mount(await make({ size }), 'one')
    const { bavail, bsize } = statfsSync(path)
    expect(bavail * bsize).toBeGreaterThan(wanted * 0.97)
    expect(bavail * bsize).toBeLessThanOrEqual(wanted)
  })

  test('whose image is gone gets another while it is empty, and is never one without a limit', async () => {
    const volume = await make({ size: '16m' })
    rmSync(imageOf(volume))
    const path = await lab.driver.mount(volume, 'one')
    expect(statfsSync(path).bavail * statfsSync(path).bsize).toBeLessThanOrEqual(16 * MIB)
    await lab.driver.unmount(volume, 'one')
    rmSync(imageOf(volume))
    writeFileSync(join(path, 'data'), '')
    await expect(lab.driver.mount(volume, 'one')).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'volume-limit-lost',
    })
    expect(readdirSync(path)).toEqual(['data'])
  })

  test.each(['xfs', 'btrfs', 'tmpfs'] as const)('is full at its limit on %s', async (type) => {
    put(type)
    const volume = await make({ size: '16m' })
    const path = await lab.driver.mount(volume, 'one')
    const written = fill(join(path, 'file'))
    expect(written).toBeGreaterThan(16 * MIB * 0.97)
    expect(written).toBeLessThanOrEqual(16 * MIB)
    writeFileSync(join(lab.root, 'volumes/beside'), Buffer.alloc(MIB))
    await lab.driver.unmount(volume, 'one')
  })

  test('is empty and belongs to whom it is to, from the first look on', async () => {
    const volume = await make({ size: '8m', own: '1000:2000' })
    const path = await lab.driver.mount(volume, 'one')
    expect(readdirSync(path)).toEqual([])
    expect(statSync(path)).toMatchObject({ uid: 1000, gid: 2000, mode: 0o40755 })
    expect(await lab.driver.quota!(volume)).toMatchObject({ limit: 8 * MIB })
    expect((await lab.driver.quota!(volume))!.used).toBeLessThan(64 * 1024)
  })

  test('tells the same of what is used whether it is mounted or not', async () => {
    const volume = await make({ size: '16m' })
    const path = await lab.driver.mount(volume, 'one')
    writeFileSync(join(path, 'file'), Buffer.alloc(5 * MIB, 1))
    execFileSync('sync', ['-f', path])
    const used = await lab.driver.usage!(volume)
    expect(used).toEqual({ used: expect.closeTo(5 * MIB, -5), limit: 16 * MIB })
    await lab.driver.unmount(volume, 'one')
    expect(await lab.driver.usage!(volume)).toEqual(used)
  })

  test('gives the host back what is deleted in it', async () => {
    const volume = await make({ size: '64m' })
    const path = await lab.driver.mount(volume, 'one')
    writeFileSync(join(path, 'file'), Buffer.alloc(40 * MIB, 1))
    const taken = (): number => {
      execFileSync('sync', ['-f', path])
      return statSync(imageOf(volume)).blocks * 512
    }
    expect(taken()).toBeGreaterThan(40 * MIB)
    execFileSync('rm', [join(path, 'file')])
    await expect.poll(taken, { timeout: 20_000 }).toBeLessThan(10 * MIB)
  })

  test('holds as many files as its inodes say, at least', async () => {
    const path = await lab.driver.mount(await make({ size: '64m', inodes: '500' }), 'one')
    const { ffree } = statfsSync(path)
    expect(ffree).toBeGreaterThanOrEqual(500)
    expect(ffree).toBeLessThan(4000)
  })

  test('has another size at once, for who uses it and for who comes later', async () => {
    const volume = await make({ size: '8m' })
    const path = await lab.driver.mount(volume, 'one')
    expect(fill(join(path, 'file'))).toBeLessThanOrEqual(8 * MIB)
    await lab.driver.resize!(volume, { size: '24m' })
    const grown = { ...volume, options: { size: '24m' } }
    expect(fill(join(path, 'file'))).toBeGreaterThan(24 * MIB * 0.97)
    await expect(lab.driver.resize!(grown, { size: '12m' })).rejects.toMatchObject({
      kind: 'conflict',
      message: expect.stringMatching(/^volume data has \d+ bytes in use/),
    })
    await lab.driver.unmount(grown, 'one')
    await lab.driver.mount(grown, 'one')
    truncateSync(join(path, 'file'), 0)
    expect(fill(join(path, 'file'))).toBeGreaterThan(24 * MIB * 0.97)
    truncateSync(join(path, 'file'), 0)
    await lab.driver.unmount(grown, 'one')
    await lab.driver.resize!(grown, { size: '6m' })
    await lab.driver.mount({ ...volume, options: { size: '6m' } }, 'one')
    expect(fill(join(path, 'file'))).toBeLessThanOrEqual(6 * MIB)
  })

  requires('CAP_SYS_RESOURCE', availableCapabilities().includes('SYS_RESOURCE'))(
    'goes on growing after that was cut short, and looks as large as it is',
    async () => {
      const volume = await make({ size: '8m' })
      const path = await lab.driver.mount(volume, 'one')
      // as after a kill between the file's growth and the file system's
      truncateSync(imageOf(volume), 40 * MIB)
      await lab.driver.resize!(volume, { size: '200m' })
      const { blocks, bsize } = statfsSync(path)
      expect((blocks * bsize) / MIB).toBeGreaterThan(199)
      expect((blocks * bsize) / MIB).toBeLessThan(212)
      expect(fill(join(path, 'file'))).toBeGreaterThan(200 * MIB * 0.97)
      await lab.driver.unmount(volume, 'one')
      expect(() => execFileSync('/usr/sbin/e2fsck', ['-fn', imageOf(volume)])).not.toThrow()
    },
    120_000,
  )

  test('is one file system however often it is mounted', async () => {
    const volume = await make({ size: '8m' })
    const path = await lab.driver.mount(volume, 'one')
    writeFileSync(join(path, 'file'), 'text')
    // whoever still has it open keeps its device
    const open = openSync(join(path, 'file'), 'r')
    await lab.driver.unmount(volume, 'one')
    expect(lab.mounts()).toEqual([])
    const [device] = loopsOf(imageOf(volume))
    expect(device).toBeDefined()
    await lab.driver.mount(volume, 'two')
    expect(loopsOf(imageOf(volume))).toEqual([device])
    expect(readFileSync(join(path, 'file'), 'utf8')).toBe('text')
    closeSync(open)
  })

  test('is made anew where making it was cut short', async () => {
    const directory = join(lab.root, 'volumes/data')
    mkdirSync(directory)
    writeFileSync(join(directory, 'image.new'), 'half a file system')
    await lab.driver.mount(await make({ size: '8m' }), 'one')
    expect(readdirSync(directory).sort()).toEqual(['_data', 'image'])
  })

  test('leaves neither device nor file when it is removed', async () => {
    const volume = await make({ size: '8m' })
    const image = imageOf(volume)
    await lab.driver.mount(volume, 'one')
    await lab.driver.unmount(volume, 'one')
    await lab.driver.remove(volume)
    expect(existsSync(image)).toBe(false)
    expect(execFileSync('/usr/sbin/losetup', ['-a'], { encoding: 'utf8' })).not.toContain(lab.root)
  })

  test('of a directory or of what is mounted has no limit to change', async () => {
    const plain = await make({}, 'plain')
    await expect(lab.driver.resize!(plain, { size: '8m' })).rejects.toMatchObject({
      code: 'volume-unlimited',
    })
    expect(await lab.driver.quota!(plain)).toBeNull()
    const mounted = await make({ type: 'tmpfs', device: 'tmpfs' }, 'mounted')
    await expect(lab.driver.usage!(mounted)).rejects.toMatchObject({ code: 'volume-not-measured' })
  })
})

describe('a machine that lacks', () => {
  /** Makes an image in a mount namespace of its own, after `setup`; what that says. */
  const inNamespace = (setup: string): string => {
    const program = join(import.meta.dirname, '../../../src/volumes/worker/make-image.ts')
    const input = { image: join(lab.root, 'image'), bytes: 8 * MIB, inodes: 0, uid: 0, gid: 0 }
    const script = `import { makeImage } from ${JSON.stringify(program)}
      try { makeImage(${JSON.stringify(input)}) } catch (error) { console.log(error.message) }`
    const command = `${setup} && exec "$0" --input-type=module-typescript -e "$1"`
    const { stdout } = spawnSync('unshare', ['--mount', 'sh', '-c', command, process.execPath, script], {
      encoding: 'utf8',
    })
    return stdout
  }

  test('mkfs.ext4 says what to install', () => {
    expect(inNamespace('mount -t tmpfs tmpfs /usr/sbin')).toMatch(
      /mkfs\.ext4 is not in PATH: install e2fsprogs, or mount the data root with project quota/,
    )
    expect(readdirSync(lab.root)).toEqual(['volumes'])
  })

  test('loop devices says so', () => {
    expect(inNamespace('mount --bind /dev/null /dev/loop-control')).toMatch(
      /^no loop device is to be had: ENOTTY/,
    )
    expect(readdirSync(lab.root)).toEqual(['volumes'])
  })

  test('only the nodes of loop devices in /dev gets them', () => {
    expect(inNamespace('mount -t tmpfs tmpfs /dev && mknod -m 666 /dev/null c 1 3')).toBe('')
    expect(readdirSync(lab.root)).toContain('image')
  })

  test('room for the image says that', () => {
    const target = join(lab.root, 'volumes')
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', target])
    const image = join(target, 'image')
    expect(() => makeImage({ image, bytes: 8 * MIB, inodes: 0, uid: 0, gid: 0 })).toThrow(/mkfs\.ext4 failed/)
    expect(readdirSync(target)).toEqual([])
  })
})
