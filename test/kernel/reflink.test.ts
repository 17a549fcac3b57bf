/** On a file system that can share blocks, copies share them. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const repository = join(import.meta.dirname, '../..')

const MIB = 2 ** 20
const fileSystems = [
  { type: 'btrfs', make: ['mkfs.btrfs', '-q'], size: 256 * MIB },
  { type: 'xfs', make: ['mkfs.xfs', '-q'], size: 320 * MIB },
]

describe.each(fileSystems)('on $type', ({ type, make, size }) => {
  it('a copy of 16 MiB takes no room, is the same, and stays so when the source is changed', () => {
    const root = mkdtempSync(join(tmpdir(), 'tsnet-reflink-'))
    try {
      const image = join(root, 'image')
      writeFileSync(image, '')
      truncateSync(image, size)
      execFileSync(make[0]!, [...make.slice(1), image])
      const copy = `import { copyTree } from '${repository}/src/sys/copy-tree.ts'; copyTree('from', 'to')`
      writeFileSync(join(root, 'copy.mjs'), copy)
      const script = `
        set -e
        mkdir ${root}/mnt && mount -t ${type} -o loop ${image} ${root}/mnt && cd ${root}/mnt
        mkdir from to && head -c ${16 * MIB} /dev/urandom > from/file && echo small > from/small && sync
        before=$(df -B1 --output=used . | tail -1)
        ${process.execPath} ${root}/copy.mjs
        sync
        after=$(df -B1 --output=used . | tail -1)
        cmp from/file to/file && cmp from/small to/small
        sum=$(md5sum < to/file)
        head -c 1000 /dev/zero | dd of=from/file conv=notrunc status=none
        [ "$sum" = "$(md5sum < to/file)" ] && echo $((after - before))`
      // The mount goes with its namespace, and the loop device with the mount.
      const used = execFileSync('unshare', ['--mount', 'sh', '-c', script], { encoding: 'utf8' })
      expect(Number(used)).toBeLessThan(MIB)
    } finally {
      rmSync(root, { recursive: true })
    }
  })
})
