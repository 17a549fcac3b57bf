import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { prepareRootfs, removeRootfs } from '../../../src/images/rootfs.ts'
import { type ContainerId, newId } from '../../../src/values/id.ts'

let dataRoot: string
const id = newId<ContainerId>()
beforeEach(() => {
  dataRoot = mkdtempSync(join(tmpdir(), 'tsnet-rootfs-'))
  for (const layer of ['bottom', 'top']) {
    mkdirSync(join(dataRoot, 'layers', layer), { recursive: true })
    writeFileSync(join(dataRoot, 'layers', layer, 'who'), layer)
  }
})
afterEach(() => rmSync(dataRoot, { recursive: true }))

test('the overlay shows the upper layer first, and keeps what is written', () => {
  const rootfs = prepareRootfs(dataRoot, id, ['bottom', 'top'])
  expect(rootfs.lower).toEqual(['top', 'bottom'])
  const options = `lowerdir=${rootfs.lower.join(':')},upperdir=${rootfs.upper},workdir=${rootfs.work}`
  const script = 'cd "$2" && mount -t overlay overlay -o "$0" "$1" && cat "$1/who" && echo new > "$1/written"'
  const arguments_ = ['-m', 'sh', '-c', script, options, rootfs.merged, rootfs.layersDir]
  expect(execFileSync('unshare', arguments_, { encoding: 'utf8' })).toBe('top')
  expect(readFileSync(join(rootfs.upper, 'written'), 'utf8')).toBe('new\n')
})

test('the root is open to all, whatever the umask, and stays as the container has changed it', () => {
  const before = process.umask(0o077)
  try {
    const { upper } = prepareRootfs(dataRoot, id, [])
    expect(lstatSync(upper).mode & 0o7777).toBe(0o755)
    chmodSync(upper, 0o700)
    prepareRootfs(dataRoot, id, [])
    expect(lstatSync(upper).mode & 0o7777).toBe(0o700)
  } finally {
    process.umask(before)
  }
})

test('a root is removed with all it holds, also when it is gone already', async () => {
  const { upper } = prepareRootfs(dataRoot, id, [])
  mkdirSync(join(upper, 'deep/er'), { recursive: true })
  await removeRootfs(dataRoot, id)
  await removeRootfs(dataRoot, id)
  expect(existsSync(join(dataRoot, 'containers', id))).toBe(false)
})
