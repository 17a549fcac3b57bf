/** What volumes get from images, images as mounts, and owners seen otherwise, in containers without a daemon. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { BoundPath } from '../../src/engine/compile.ts'
import type { Owner } from '../../src/init/steps.ts'
import { removeUserNamespace, requireUserNamespace } from '../../src/sandbox/user-namespace.ts'
import { readMounts } from '../../src/sys/mountinfo.ts'
import { getXattr, setXattr } from '../../src/sys/xattr.ts'
import { InitLab } from '../helpers/init-lab.ts'
import { makeStage } from '../helpers/staged.ts'

const lab = new InitLab()
let host = ''
let serial = 0
beforeEach(() => {
  host = lab.directory(`host/${++serial}`)
})
afterEach(() => lab.undoAll())
afterAll(() => lab[Symbol.dispose]())

/** An image with more in its /data. */
function imageWith(fill: (data: string) => void): { layers: readonly string[] } {
  const layer = `data-${++serial}`
  lab.layer(layer, (path) => {
    mkdirSync(join(path, 'data'), { recursive: true })
    fill(join(path, 'data'))
  })
  return { layers: ['box', layer] }
}

describe('an empty volume', () => {
  const then = new Date('2020-02-03T04:05:06Z')

  test('gets what the image has at its target: owners, modes, times, links, attributes', async () => {
    const image = imageWith((data) => {
      mkdirSync(`${data}/deep/er`, { recursive: true })
      writeFileSync(`${data}/deep/file`, 'content')
      chownSync(`${data}/deep/file`, 12, 34)
      chmodSync(`${data}/deep/file`, 0o4751)
      setXattr(`${data}/deep/file`, 'user.note', Buffer.from('kept'))
      linkSync(`${data}/deep/file`, `${data}/same`)
      symlinkSync('nowhere', `${data}/link`)
      execFileSync('mkfifo', [`${data}/fifo`])
      execFileSync('truncate', ['-s', '16M', `${data}/sparse`])
      utimesSync(`${data}/deep/file`, then, then)
      chownSync(data, 99, 98)
      chmodSync(data, 0o1770)
    })
    expect(await lab.printed('ls /data', [lab.volume(host, '/data')], image)).toBe(
      'deep\nfifo\nlink\nsame\nseed\nsparse',
    )
    expect(lstatSync(`${host}/deep/file`)).toMatchObject({ uid: 12, gid: 34, mode: 0o104751, mtime: then })
    expect(getXattr(`${host}/deep/file`, 'user.note')?.toString()).toBe('kept')
    expect(lstatSync(`${host}/same`).ino).toBe(lstatSync(`${host}/deep/file`).ino)
    expect(lstatSync(`${host}/sparse`)).toMatchObject({ size: 16 << 20, blocks: 0 })
    expect(statSync(host)).toMatchObject({ uid: 99, gid: 98, mode: 0o41770 })
  })

  test('gets it though the container may only read it, and though another mount is above its target', async () => {
    writeFileSync(`${lab.directory(`host/${++serial}`)}/x`, '')
    const above = lab.path(`host/${serial}`)
    mkdirSync(`${above}/inner`)
    writeFileSync(`${above}/inner/of-the-host`, '')
    const image = imageWith((data) => {
      mkdirSync(`${data}/inner`)
      writeFileSync(`${data}/inner/of-the-image`, '')
    })
    const binds = [lab.bind(above, '/data'), lab.volume(host, '/data/inner', { readOnly: true })]
    const output = await lab.printed('ls /data/inner; touch /data/inner/x 2>&1', binds, image)
    expect(output).toMatch(/^of-the-image\n.*Read-only/)
    expect(readdirSync(`${above}/inner`)).toEqual(['of-the-host'])
  })

  test('keeps the owner that it was made with', async () => {
    chownSync(host, 1000, 100)
    const volume = lab.volume(host, '/data', { own: '1000:100' })
    expect(await lab.printed('stat -c %u:%g /data /data/seed', [volume])).toBe('1000:100\n1000:1000')
  })

  test('stays empty where the image has nothing or a file', async () => {
    expect(await lab.printed('ls -A /none', [lab.volume(host, '/none')])).toBe('')
    expect(await lab.refused('true', [lab.volume(host, '/etc/passwd')])).toContain('not a directory')
    expect(readdirSync(host)).toEqual([])
  })

  test('is filled where a link of the image leads', async () => {
    const layer = `link-${++serial}`
    lab.layer(layer, (path) => symlinkSync('/data', join(path, 'link')))
    const output = lab.printed('cat /data/seed', [lab.volume(host, '/link')], { layers: ['box', layer] })
    expect(await output).toBe('from-image')
    expect(readdirSync(host)).toEqual(['seed'])
  })

  test('that two containers start with at once is filled once and whole before either runs', async () => {
    const image = imageWith((data) => {
      for (let count = 0; count < 2000; count++) writeFileSync(`${data}/${count}`, `${count}`)
    })
    const start = () => lab.printed('ls /data | wc -l', [lab.volume(host, '/data')], image)
    expect(await Promise.all([start(), start(), start()])).toEqual(['2001', '2001', '2001'])
  })

  test('that a killed start left half filled is whole after the next, and shows nothing half', async () => {
    writeFileSync(`${makeStage(host, 'copying')}/half`, '')
    expect(await lab.printed('ls -A /data', [lab.volume(host, '/data')])).toBe('seed')
  })

  test('that was being moved into place when the start was killed is whole, also for who would not fill it', async () => {
    writeFileSync(`${makeStage(host, 'installing')}/late`, '')
    writeFileSync(`${host}/early`, '')
    const volume = lab.volume(host, '/data', { copyUp: false })
    expect(await lab.printed('ls -A /data', [volume])).toBe('early\nlate')
  })

  test('on a full disk: the start fails with what was needed and free, and the volume is empty as before', async () => {
    const small = lab.mount(`host/${serial}/small`, 'tmpfs', 'tmpfs', 'size=1m')
    const image = imageWith((data) => {
      writeFileSync(`${data}/large`, Buffer.alloc(3 << 20))
      mkdirSync(Buffer.concat([Buffer.from(`${data}/no UTF-8 `), Buffer.from([0xff])]))
    })
    expect(await lab.refused('true', [lab.volume(small, '/data')], image)).toBe(
      `no space left in ${small} for what the image has at /data: 3.0 MiB needed, 1.0 MiB free`,
    )
    expect(readdirSync(small)).toEqual([])
    rmSync(join(lab.root, 'layers', image.layers[1] ?? '', 'data/large'))
    expect(await lab.printed('cat /data/seed', [lab.volume(small, '/data')], image)).toBe('from-image')
  })
})

describe('a volume that holds something', () => {
  test('is left as it is', async () => {
    writeFileSync(`${host}/mine`, '')
    expect(await lab.printed('ls -A /data', [lab.volume(host, '/data')])).toBe('mine')
  })
})

describe('an image as a mount', () => {
  const image = (layers: readonly string[], subpath = '') =>
    lab.bind('tools:1', '/image', { type: 'image', layers, subpath, readOnly: true })

  test('shows its layers one over the other, to read only', async () => {
    const [, layer = ''] = imageWith((data) => writeFileSync(`${data}/upper`, 'upper')).layers
    const script = 'cat /image/data/seed /image/data/upper; touch /image/x 2>&1; ls /image | wc -l'
    expect(await lab.printed(script, [image(['box', layer])])).toMatch(
      /^from-image\nupper.*Read-only.*\n\d+$/,
    )
  })

  test('may have one layer only', async () => {
    expect(await lab.printed('cat /image/data/seed', [image(['box'])])).toBe('from-image')
  })

  test('shows a part of it, and refuses what leads outside or is not there', async () => {
    expect(await lab.printed('ls -A /image', [image(['box'], 'data')])).toBe('seed')
    const layer = `escape-${++serial}`
    lab.layer(layer, (path) => symlinkSync('/etc', join(path, 'out')))
    expect(await lab.refused('true', [image(['box', layer], 'out')])).toBe(
      'path concatenation escapes the base directory, base: tools:1, subpath: out',
    )
    expect(await lab.refused('true', [image(['box'], 'none')])).toBe(
      'cannot access path tools:1/none: lstat tools:1/none: no such file or directory',
    )
  })

  test('is mounted nowhere on the host', async () => {
    const before = readMounts().length
    await lab.printed('true', [image(['box'])])
    expect(readMounts()).toHaveLength(before)
  })
})

describe('an idmap', () => {
  interface Mapped extends Partial<BoundPath> {
    readonly idmap?: string
    readonly root?: Owner
  }
  const mapped = async ({ idmap = 'uid:1000:0:1;gid:1000:0:1', root, ...change }: Mapped = {}) => {
    const userNamespace = await requireUserNamespace(lab.path('exec'), idmap)
    lab.undo(() => removeUserNamespace(lab.path('exec'), idmap))
    return lab.bind(host, '/b', { mapping: { userNamespace, root: root ?? null }, ...change })
  }
  const script = 'stat -c %u:%g /b /b/old; touch /b/new; stat -c %u:%g /b/new'
  const fill = (path: string): void => {
    writeFileSync(`${path}/old`, '')
    for (const name of [path, `${path}/old`]) chownSync(name, 1000, 1000)
  }

  test('shows the files of a user as root’s, and root’s new ones are the user’s on disk', async () => {
    fill(host)
    expect(await lab.printed(script, [await mapped()])).toBe('0:0\n0:0\n0:0')
    expect(statSync(`${host}/new`)).toMatchObject({ uid: 1000, gid: 1000 })
  })

  test('of users alone leaves groups, and who is not mapped is nobody', async () => {
    writeFileSync(`${host}/of-root`, '')
    fill(host)
    chmodSync(host, 0o777)
    const bind = await mapped({ idmap: 'uid:1000:0:1' })
    const output = await lab.printed('stat -c %u:%g /b/old /b/of-root; touch /b/x', [bind])
    expect(output).toBe('0:1000\n65534:0')
  })

  test('works for a volume that is filled: its owners are seen as in the image', async () => {
    const idmap = 'uid:5000:0:2000;gid:5000:0:2000'
    const root = { uid: 5000, gid: 5000 }
    const volume = await mapped({ idmap, root, type: 'volume', target: '/data', copyUp: true })
    expect(await lab.printed('stat -c %u:%g /data /data/seed', [volume])).toBe('0:0\n1000:1000')
    expect(statSync(`${host}/seed`)).toMatchObject({ uid: 6000, gid: 6000 })
  })

  test('that has no place for an owner of the image is refused with what to do', async () => {
    const root = { uid: 1000, gid: 1000 }
    const volume = await mapped({ root, type: 'volume', target: '/data', copyUp: true })
    expect(await lab.refused('true', [volume])).toMatch(
      /^what the image has at \/data has owners to whom the mount's idmap gives no place on disk .*map them too, or give volume-nocopy$/,
    )
    expect(readdirSync(host)).toEqual([])
  })

  test('works on tmpfs, and with the mounts below', async () => {
    const path = lab.mount(`host/${serial}/own`, 'tmpfs', 'tmpfs')
    fill(path)
    const output = await lab.printed('stat -c %u:%g /b/own/old', [await mapped()])
    expect(output).toBe('0:0')
  })

  test('works on xfs', async () => {
    const image = lab.path(`${serial}.xfs`)
    execFileSync('truncate', ['-s', '320m', image])
    execFileSync('mkfs.xfs', ['-q', image], { env: { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' } })
    const path = lab.directory(`host/${serial}/own`)
    // The loop device clears itself with the last mount.
    execFileSync('mount', ['-o', 'loop', image, path])
    lab.undo(() => execFileSync('umount', [path]))
    fill(path)
    expect(await lab.printed(script, [await mapped({ source: path })])).toBe('0:0\n0:0\n0:0')
    expect(statSync(`${path}/new`)).toMatchObject({ uid: 1000, gid: 1000 })
  })

  test('names the file system that cannot map owners, and its path', async () => {
    const proc = lab.mount(`host/${serial}/p`, 'proc', 'proc')
    const refused = lab.refused('true', [await mapped({ source: proc })])
    expect(await refused).toBe(
      `idmap: ${proc} is on proc, whose owners this kernel cannot map: use another file system`,
    )
    expect(await lab.refused('true', [await mapped()])).toBe(
      `idmap: ${proc} below ${host} is on proc, whose owners this kernel cannot map: use another file system, or leave the mounts below out with bind-recursive=disabled`,
    )
    const without = await mapped({ recursion: 'disabled' })
    expect(await lab.printed('stat -c %u:%g /b', [without])).toBe('65534:65534')
  })
})
