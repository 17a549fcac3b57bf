import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { attachLoop, growLoop, loopsOf } from '../../src/sys/loop.ts'

const MIB = 1024 * 1024
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsnet-loop-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function sparseFile(name: string, bytes: number): string {
  const path = join(folder, name)
  const fd = openSync(path, 'wx')
  ftruncateSync(fd, bytes)
  closeSync(fd)
  return path
}

/** What the kernel tells of a device, e.g. `size` in sectors of 512 bytes. */
const sysfs = (device: string, file: string): string =>
  readFileSync(`/sys/block/${basename(device)}/${file}`, 'utf8').trim()

describe('loop devices', () => {
  it('are of their file, cleared when they are closed', async () => {
    const file = sparseFile('image', 4 * MIB)
    const { path, fd } = attachLoop(file)
    using _ = fd
    expect(sysfs(path, 'size')).toBe(`${(4 * MIB) / 512}`)
    expect(sysfs(path, 'loop/autoclear')).toBe('1')
    expect(loopsOf(file)).toEqual([path])
    fd.close()
    await expect.poll(() => loopsOf(file)).toEqual([])
  })

  it('are found by the new name of a file that was renamed', () => {
    const { path, fd } = attachLoop(sparseFile('old', MIB))
    using _ = fd
    renameSync(join(folder, 'old'), join(folder, 'new'))
    expect(loopsOf(join(folder, 'new'))).toEqual([path])
  })

  it('grow with their file', () => {
    const file = sparseFile('image', MIB)
    const { path, fd } = attachLoop(file)
    using _ = fd
    truncateSync(file, 3 * MIB)
    expect(sysfs(path, 'size')).toBe(`${MIB / 512}`)
    growLoop(path)
    expect(sysfs(path, 'size')).toBe(`${(3 * MIB) / 512}`)
  })

  it('of a read-only attachment are read-only', () => {
    const { path, fd } = attachLoop(sparseFile('image', MIB), { readOnly: true })
    using _ = fd
    expect(sysfs(path, 'ro')).toBe('1')
  })

  it('are one each, also for many files at a time', () => {
    using stack = new DisposableStack()
    const paths = Array.from({ length: 12 }, (_, i) => {
      const device = attachLoop(sparseFile(`image${i}`, MIB))
      stack.use(device.fd)
      return device.path
    })
    expect(new Set(paths).size).toBe(12)
  })

  it('refuse what is no file', () => {
    expect(() => attachLoop('/dev/null')).toThrow(/LOOP_CONFIGURE \/dev\/null: EINVAL/)
    expect(() => attachLoop(join(folder, 'missing'))).toThrow(/ENOENT/)
  })
})
