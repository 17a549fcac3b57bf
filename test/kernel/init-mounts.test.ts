/** init's way with mounts, on real file systems, in containers without a daemon. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MS_BIND, MS_SHARED, MS_SLAVE } from '../../src/sys/constants/mount.ts'
import { mount } from '../../src/sys/mount.ts'
import { HangingFs } from '../helpers/hanging-fs.ts'
import { InitLab } from '../helpers/init-lab.ts'

const lab = new InitLab()
let host = ''
let serial = 0
beforeEach(() => {
  host = lab.directory(`host/${++serial}`)
})
afterEach(() => lab.undoAll())
afterAll(() => lab[Symbol.dispose]())

const write = (path: string, text = ''): void => {
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, text)
}

describe('a source', () => {
  test('is mounted as the directory or the file that it is', async () => {
    write(`${host}/d/inner`, 'of a directory')
    write(`${host}/f`, 'of a file')
    const binds = [lab.bind(`${host}/d`, '/new/d'), lab.bind(`${host}/f`, '/new/f')]
    expect(await lab.printed('cat /new/d/inner; echo; cat /new/f', binds)).toBe('of a directory\nof a file')
  })

  test('that is missing is made, with its parents, for the owner that was asked for', async () => {
    const bind = lab.bind(`${host}/a/b/c`, '/b', { createSource: true, own: '1000:100' })
    expect(await lab.printed('stat -c "%u:%g %a" /b', [bind])).toBe('1000:100 755')
    for (const path of ['a', 'a/b']) {
      expect(statSync(`${host}/${path}`)).toMatchObject({ uid: 1000, gid: 100, mode: 0o40755 })
    }
    // What was there before keeps its owner.
    expect(statSync(host).uid).toBe(0)
  })

  test('that is missing and not to be made is refused in Docker’s words, and not made', async () => {
    expect(await lab.refused('true', [lab.bind(`${host}/none`, '/b')])).toBe(
      `invalid mount config for type "bind": bind source path does not exist: ${host}/none`,
    )
    expect(readdirSync(host)).toEqual([])
  })

  test.each([
    ['file/below', 'not a directory'],
    ['nowhere', 'file exists'],
    ['circle', 'file exists'],
    ['circle/below', 'file exists'],
  ])('that cannot be made says why: %s', async (name, why) => {
    write(`${host}/file`)
    symlinkSync('missing', `${host}/nowhere`)
    symlinkSync('circle', `${host}/circle`)
    const path = `${host}/${name}`
    expect(await lab.refused('true', [lab.bind(path, '/b', { createSource: true })])).toBe(
      `error while creating mount source path '${path}': mkdir ${path}: ${why}`,
    )
  })

  test('of a dead file system ends this start alone, by a deadline, with its name', async () => {
    using dead = new HangingFs(`${host}/dead`)
    const hanging = lab.refused('true', [lab.bind(host, '/b'), lab.bind(dead.path, '/d')], { patience: 3000 })
    expect(await lab.printed('echo others start', [])).toBe('others start')
    expect(await hanging).toBe(
      `mount source ${dead.path} did not answer within 3 seconds: is its file system dead?`,
    )
  })
})

describe('a subpath', () => {
  const shown = (subpath: string, script = 'cat /s/file') =>
    lab.run(script, [lab.volume(host, '/s', { subpath, copyUp: false })])

  test('shows a directory or a file of the volume and nothing above', async () => {
    write(`${host}/a/b/file`, 'deep')
    expect((await shown('a/b', 'cat /s/file; ls -a /s | wc -l')).output).toBe('deep3')
    expect((await shown('a/b/file', 'cat /s')).output).toBe('deep')
  })

  test('may lead over links that stay in the volume', async () => {
    write(`${host}/a/file`, 'linked')
    symlinkSync('a', `${host}/link`)
    symlinkSync('../a/../link', `${host}/a/around`)
    expect((await shown('link')).output).toBe('linked')
    expect((await shown('a/around')).output).toBe('linked')
  })

  test.each([
    ['an absolute link', '/etc', 'link'],
    ['a link upwards', '../..', 'link'],
    ['a link of a link’s directory', '../../../../etc', 'd/link'],
  ])('that leaves the volume by %s is refused in Docker’s words', async (_, to, subpath) => {
    mkdirSync(`${host}/d`)
    symlinkSync(to, `${host}/${subpath}`)
    expect((await shown(subpath)).outcome).toMatchObject({
      kind: 'failed',
      message: `path concatenation escapes the base directory, base: ${host}, subpath: ${subpath}`,
    })
  })

  test('that is missing is refused in Docker’s words', async () => {
    expect((await shown('none/x')).outcome).toMatchObject({
      message: `cannot access path ${host}/none/x: lstat ${host}/none/x: no such file or directory`,
    })
  })

  test('never shows anything outside while somebody swaps it for a link to the root', async () => {
    write(`${host}/a/b/file`, 'inside')
    mkdirSync(`${host}/other`)
    symlinkSync('/', `${host}/other/b`)
    write(`${host}/other/file`, 'inside')
    // Exchanges `a`, whose `b` is a directory, with `other`, whose `b` leads to the root, as often as it can.
    const swap = `
      const { renameSync } = require('node:fs')
      const [a, b, c] = process.argv.slice(1)
      for (;;) { renameSync(a, c); renameSync(b, a); renameSync(c, b) }`
    const swapper = spawn(process.execPath, ['-e', swap, `${host}/a`, `${host}/other`, `${host}/third`])
    try {
      const outcomes = { inside: 0, refused: 0 }
      // As often as it takes to meet both.
      for (let count = 0; count < 8 || (Math.min(...Object.values(outcomes)) === 0 && count < 300); count++) {
        const { outcome, output } = await shown('a/b', 'ls -a /s; cat /s/file')
        if (outcome.kind === 'failed') {
          expect(outcome.message).toMatch(/escapes the base directory|cannot access path/)
          outcomes.refused++
        } else {
          expect(output).toBe('.\n..\nfile\ninside')
          outcomes.inside++
        }
      }
      expect(outcomes.inside).toBeGreaterThan(0)
      expect(outcomes.refused).toBeGreaterThan(0)
    } finally {
      swapper.kill('SIGKILL')
    }
  })
})

describe('a target', () => {
  /** The image with one link more. */
  const withLink = (name: string, to: string): string[] => {
    const layer = `links-${++serial}`
    lab.layer(layer, (path) => {
      mkdirSync(join(path, name, '..'), { recursive: true })
      symlinkSync(to, join(path, name))
    })
    return ['box', layer]
  }

  test('that is missing is made inside the container, wherever its links lead', async () => {
    const layers = withLink('link', '../../../../made/here')
    write(`${host}/file`, 'seen')
    expect(await lab.printed('cat /made/here/x/y/file', [lab.bind(host, '/link/x/y')], { layers })).toBe(
      'seen',
    )
    expect(existsSync('/made')).toBe(false)
  })

  test('never leads through init’s open files: nothing is made in a source', async () => {
    const source = lab.directory(`host/${++serial}`)
    for (const fd of Array.from({ length: 40 }, (_, number) => number)) {
      if (fd < 15) continue
      const layers = withLink('trap', `/proc/self/fd/${fd}`)
      const binds = [lab.bind(source, '/ro', { readOnly: true }), lab.bind(host, '/trap/planted')]
      expect((await lab.run('true', binds, { layers })).outcome.kind).toBe('failed')
    }
    expect(readdirSync(source)).toEqual([])
    expect(readdirSync(host)).toEqual([])
  }, 60_000)

  test('that cannot be made is named', async () => {
    const above = lab.bind(host, '/above', { readOnly: true })
    expect(await lab.refused('true', [above, lab.bind(host, '/above/made')])).toBe(
      'error mounting at "/above/made": read-only file system',
    )
  })

  test('in a circle of links is refused', async () => {
    const layers = withLink('loop', 'loop')
    expect(await lab.refused('true', [lab.bind(host, '/loop')], { layers })).toContain(
      'too many levels of symbolic links',
    )
  })

  test.each([
    ['/proc', '"/m" cannot be mounted because it is not of type proc'],
    ['/proc/sys/kernel', '"/m" cannot be mounted because it is inside /proc'],
  ])('that leads to %s is refused in runc’s words', async (to, message) => {
    const layers = withLink('m', to)
    expect(await lab.refused('true', [lab.volume(host, '/m')], { layers })).toBe(message)
  })

  test('in a volume that is mounted above is made in that volume, and links of it lead nowhere else', async () => {
    const outer = lab.directory(`host/${++serial}`)
    symlinkSync('/etc', `${outer}/link`)
    write(`${host}/file`, 'inner')
    const binds = [lab.bind(outer, '/outer'), lab.bind(host, '/outer/new'), lab.bind(host, '/outer/link/sub')]
    expect(await lab.printed('cat /outer/new/file /etc/sub/file', binds)).toBe('innerinner')
    expect(readdirSync(outer).sort()).toEqual(['link', 'new'])
    expect(existsSync('/etc/sub')).toBe(false)
  })

  test('of another type than the source is refused in Docker’s words', async () => {
    write(`${host}/f`)
    for (const bind of [lab.bind(host, '/etc/passwd'), lab.bind(`${host}/f`, '/etc')]) {
      expect(await lab.refused('true', [bind])).toContain(
        'are you trying to mount a directory onto a file (or vice-versa)?',
      )
    }
  })
})

describe('mounts below a source', () => {
  const below = (): void => {
    lab.mount(`host/${serial}/sub`, 'tmpfs', 'tmpfs')
    write(`${host}/sub/file`, 'below')
  }
  const tries = 'touch /b/top 2>&1; touch /b/sub/low 2>&1; cat /b/sub/file 2>&1; true'
  const top = /\/b\/top: Read-only/
  const low = /\/b\/sub\/low: Read-only/

  test('come along, and are read-only with it', async () => {
    below()
    expect(await lab.printed('cat /b/sub/file', [lab.bind(host, '/b')])).toBe('below')
    for (const recursion of ['enabled', 'readonly'] as const) {
      const output = await lab.printed(tries, [lab.bind(host, '/b', { readOnly: true, recursion })])
      expect(output).toMatch(top)
      expect(output).toMatch(low)
      expect(output).toMatch(/below$/)
    }
  })

  test('stay writable with bind-recursive=writable', async () => {
    below()
    const output = await lab.printed(tries, [lab.bind(host, '/b', { readOnly: true, recursion: 'writable' })])
    expect(output).toMatch(top)
    expect(output).not.toMatch(low)
    expect(existsSync(`${host}/sub/low`)).toBe(true)
  })

  test('stay away with bind-recursive=disabled', async () => {
    below()
    const bind = lab.bind(host, '/b', { recursion: 'disabled' })
    expect(await lab.printed('ls -A /b/sub | wc -l', [bind])).toBe('0')
  })
})

describe('propagation', () => {
  test.each([
    ['shared', 'a shared'],
    ['rshared', 'a shared'],
    ['slave', 'a shared or slave'],
    ['rslave', 'a shared or slave'],
  ] as const)('%s of a private mount is refused in Docker’s words', async (propagation, kind) => {
    const path = lab.mount(`host/${serial}/own`, 'tmpfs', 'tmpfs')
    mkdirSync(`${path}/deep`)
    expect(await lab.refused('true', [lab.bind(`${path}/deep`, '/b', { propagation })])).toBe(
      `path ${path}/deep is mounted on ${path} but it is not ${kind} mount`,
    )
  })

  test('goes both ways when shared, into the container when slave, and not at all when private', async () => {
    const path = lab.mount(`host/${serial}/own`, 'tmpfs', 'tmpfs')
    mount('', path, '', MS_SHARED, '')
    mkdirSync(`${path}/late`)
    const tags = async (propagation: 'rshared' | 'rslave' | 'rprivate'): Promise<string> =>
      lab.printed('grep " /b " /proc/self/mountinfo | cut -d" " -f7', [lab.bind(path, '/b', { propagation })])
    expect(await tags('rshared')).toMatch(/^shared:\d+$/)
    expect(await tags('rslave')).toMatch(/^master:\d+$/)
    expect(await tags('rprivate')).toBe('-')
  })

  test('slave is allowed below a slave', async () => {
    const path = lab.mount(`host/${serial}/own`, 'tmpfs', 'tmpfs')
    mount('', path, '', MS_SHARED, '')
    const second = lab.mount(`host/${serial}/second`, '', path, '', MS_BIND)
    mount('', second, '', MS_SLAVE, '')
    expect(await lab.printed('echo started', [lab.bind(second, '/b', { propagation: 'rslave' })])).toBe(
      'started',
    )
  })
})
