/** What the local driver mounts: right and wrong options, dead servers, what others hold open, crashes. */
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Labels, VolumeRecord } from '../../../src/store/records.ts'
import { loopsOf } from '../../../src/sys/loop.ts'
import { recordOf } from '../../contract/volume.contract.ts'
import { withServer } from '../../helpers/answering-port.ts'
import { HangingFs } from '../../helpers/hanging-fs.ts'
import { LocalLab } from '../../helpers/volume-lab.ts'

let lab: LocalLab

beforeEach(() => {
  lab = new LocalLab()
})
afterEach(() => lab.close())

async function make(options: Labels, name = 'data'): Promise<VolumeRecord> {
  return recordOf(lab.driver, name, options, await lab.driver.create(name, options))
}

async function use(options: Labels): Promise<{ volume: VolumeRecord; path: string }> {
  const volume = await make(options)
  return { volume, path: await lab.driver.mount(volume, 'one') }
}

/** What mounting these says. Nothing stays mounted. */
async function refusal(options: Labels): Promise<{ message: string; kind: string }> {
  const volume = await make(options)
  const error = await lab.driver.mount(volume, 'one').catch((reason: unknown) => reason)
  await lab.driver.unmount(volume, 'one')
  expect(lab.mounts()).toEqual([])
  return error as { message: string; kind: string }
}

describe('options of the local driver', () => {
  test('reach the file system', async () => {
    const { path, volume } = await use({
      type: 'tmpfs',
      device: 'tmpfs',
      o: 'size=1m,mode=0700,uid=1000,noexec',
    })
    expect(statSync(path)).toMatchObject({ uid: 1000, mode: 0o40700 })
    expect(readFileSync('/proc/self/mounts', 'utf8')).toMatch(
      new RegExp(`^tmpfs ${path} tmpfs rw,noexec,relatime,size=1024k,mode=700,uid=1000`, 'm'),
    )
    expect(() => writeFileSync(join(path, 'big'), Buffer.alloc(2 << 20))).toThrow('ENOSPC')
    await lab.driver.unmount(volume, 'one')
    expect(lab.mounts()).toEqual([])
  })

  test('make a bind read-only', async () => {
    const device = join(lab.root, 'source')
    mkdirSync(device)
    const { path } = await use({ type: 'none', device, o: 'bind,ro' })
    expect(() => writeFileSync(join(path, 'file'), '')).toThrow('EROFS')
    writeFileSync(join(device, 'file'), '')
    expect(readdirSync(path)).toEqual(['file'])
  })

  test('that the kernel refuses are told in Docker’s words', async () => {
    const data = join(lab.root, 'volumes/data/_data')
    expect((await refusal({ type: 'none', device: '/nonexistent', o: 'bind' })).message).toBe(
      `failed to mount local volume: mount /nonexistent:${data}, flags: 0x1000: no such file or directory`,
    )
    expect((await refusal({ type: 'tmpfs', device: 'tmpfs', o: 'size=1m,bogus=1' })).message).toBe(
      `failed to mount local volume: mount tmpfs:${data}, data: size=1m,bogus=1: invalid argument`,
    )
    expect((await refusal({ type: 'none', device: '/etc/passwd', o: 'bind' })).message).toBe(
      `failed to mount local volume: mount /etc/passwd:${data}, flags: 0x1000: not a directory`,
    )
    expect((await refusal({ type: 'foofs', device: 'x' })).message).toBe(
      `failed to mount local volume: mount x:${data}: no such device: this kernel has no file system "foofs"`,
    )
  })

  test('never tell a password', async () => {
    await withServer(async (port) => {
      const error = await refusal({
        type: 'cifs',
        device: '//127.0.0.1/share',
        o: `username=u,password=hunter2,password2=hunter3,pass=hunter4,port=${port}`,
      })
      expect(error.message).toContain('username=u,password=********,password2=********,pass=********')
      expect(error.message).not.toContain('hunter')
    })
  })
})

describe('an image of a file system', () => {
  test('is one device for all mounts of it, and none after the last', async () => {
    const device = lab.image('ext4')
    const { volume, path } = await use({ type: 'ext4', device })
    const other = await make({ type: 'ext4', device, o: 'noatime' }, 'other')
    const otherPath = await lab.driver.mount(other, 'two')
    expect(loopsOf(device)).toHaveLength(1)
    writeFileSync(join(path, 'file'), 'text')
    expect(readFileSync(join(otherPath, 'file'), 'utf8')).toBe('text')
    await lab.driver.unmount(volume, 'one')
    expect(loopsOf(device)).toHaveLength(1)
    await lab.driver.unmount(other, 'two')
    await expect.poll(() => loopsOf(device)).toEqual([])
  })

  test('that is none is refused, and leaves no device', async () => {
    const device = join(lab.root, 'none.img')
    writeFileSync(device, Buffer.alloc(1 << 20))
    expect((await refusal({ type: 'ext4', device })).message).toMatch(/: invalid argument$/)
    await expect.poll(() => loopsOf(device)).toEqual([])
  })
})

describe('the last user', () => {
  test('is let go although somebody on the host has a file open, who keeps it', async () => {
    const { volume, path } = await use({ type: 'tmpfs', device: 'tmpfs' })
    writeFileSync(join(path, 'file'), 'text')
    const fd = openSync(join(path, 'file'), 'r')
    try {
      await lab.driver.unmount(volume, 'one')
      expect(lab.mounts()).toEqual([])
      expect(readFileSync(fd, 'utf8')).toBe('text')
      expect(lab.driver.status?.(volume)).toEqual({
        Mounted: false,
        Users: 0,
        Trouble: expect.stringContaining('EBUSY'),
      })
    } finally {
      closeSync(fd)
    }
  })

  test('and the first one may come and go at the same time', async () => {
    const volume = await make({ type: 'tmpfs', device: 'tmpfs' })
    await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const path = await lab.driver.mount(volume, `user${index}`)
        expect(lab.mounts()).toHaveLength(1)
        writeFileSync(join(path, `file${index}`), '')
        await lab.driver.unmount(volume, `user${index}`)
      }),
    )
    expect(lab.mounts()).toEqual([])
  })
})

describe('mounts inside a bound directory', () => {
  test('come and go without the originals, which may be shared', async () => {
    const device = join(lab.root, 'source')
    mkdirSync(device)
    execFileSync('mount', ['-t', 'tmpfs', 'outer', device])
    execFileSync('mount', ['--make-shared', device])
    mkdirSync(join(device, 'inner'))
    execFileSync('mount', ['-t', 'tmpfs', 'inner', join(device, 'inner')])
    const originals = ['tmpfs source', 'tmpfs source/inner']
    const { volume, path } = await use({ type: 'none', device, o: 'rbind' })
    const copies = ['tmpfs volumes/data/_data', 'tmpfs volumes/data/_data/inner']
    expect(lab.mounts().sort()).toEqual([...originals, ...copies])
    writeFileSync(join(path, 'inner/file'), '')
    await lab.driver.unmount(volume, 'one')
    expect(lab.mounts().sort()).toEqual(originals)
    // a removal right after a crash finds them mounted too
    await lab.driver.mount(volume, 'one')
    await lab.restart().remove(volume)
    expect(lab.mounts().sort()).toEqual(originals)
    expect(readdirSync(join(device, 'inner'))).toEqual(['file'])
  })
})

describe('a data root behind a link', () => {
  test('is as good as any', async () => {
    const link = join(lab.root, 'link')
    symlinkSync(lab.root, link)
    const options = { type: 'tmpfs', device: 'tmpfs' }
    const driver = lab.driverAt(link)
    const volume = recordOf(driver, 'data', options, await driver.create('data', options))
    for (const user of ['one', 'two']) await driver.mount(volume, user)
    expect(lab.mounts()).toEqual(['tmpfs volumes/data/_data'])
    for (const user of ['one', 'two']) await driver.unmount(volume, user)
    expect(lab.mounts()).toEqual([])
  })
})

describe('a volume whose server is dead', () => {
  test('is mounted, inspected, unmounted and removed without a wait for it', async () => {
    using hanging = new HangingFs(join(lab.root, 'hanging'))
    const { volume } = await use({ type: 'none', device: hanging.path, o: 'bind' })
    expect(lab.driver.status?.(volume)).toEqual({ Mounted: true, Users: 1 })
    await lab.driver.unmount(volume, 'one')
    expect(lab.mounts()).toEqual(['fuse hanging'])
    await lab.driver.remove(volume)
    expect(existsSync(volume.mountpoint)).toBe(false)
  })
})

describe('after a crash', () => {
  test('what nobody uses is unmounted, stacks of it whole; what is used stays, and what others have mounted', async () => {
    const options = { type: 'tmpfs', device: 'tmpfs' }
    const volumes = await Promise.all(['used', 'unused'].map((name) => make(options, name)))
    for (const volume of volumes) await lab.driver.mount(volume, 'one')
    const [used, unused] = volumes
    const plain = await make({}, 'plain')
    for (const { mountpoint } of [unused!, plain]) execFileSync('mount', ['-t', 'tmpfs', 'again', mountpoint])
    const next = lab.restart()
    await next.restore([
      { volume: used!, users: ['one'] },
      { volume: unused!, users: [] },
      { volume: plain, users: [] },
    ])
    expect(lab.mounts().sort()).toEqual(['tmpfs volumes/plain/_data', 'tmpfs volumes/used/_data'])
    await next.unmount(used!, 'one')
    expect(lab.mounts()).toEqual(['tmpfs volumes/plain/_data'])
  })

  test('what somebody else has unmounted is mounted for the next user', async () => {
    const { volume, path } = await use({ type: 'tmpfs', device: 'tmpfs' })
    execFileSync('umount', [path])
    await lab.driver.mount(volume, 'two')
    expect(lab.mounts()).toEqual(['tmpfs volumes/data/_data'])
  })

  test('a removal does not touch what is mounted in the volume', async () => {
    const device = join(lab.root, 'source')
    mkdirSync(device)
    writeFileSync(join(device, 'precious'), '')
    const { volume } = await use({ type: 'none', device, o: 'bind' })
    await lab.restart().remove(volume)
    expect(readdirSync(device)).toEqual(['precious'])
    expect(lab.mounts()).toEqual([])
  })
})
