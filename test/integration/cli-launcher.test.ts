import { execFileSync } from 'node:child_process'
import {
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { repository, run } from '../helpers/daemon.ts'

let folder: string
let root: string

/** A copy of the repository as a clone would be, with the packages of this one. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsnet-launcher-'))
  root = join(folder, 'clone')
  mkdirSync(root)
  for (const name of ['tsnet', 'package.json', 'package-lock.json', 'tsconfig.json', 'scripts', 'src']) {
    cpSync(join(repository, name), join(root, name), { recursive: true })
  }
  symlinkSync(join(repository, 'node_modules'), join(root, 'node_modules'))
  // Older than the packages, as if they had been installed from it.
  utimesSync(join(root, 'package-lock.json'), 0, 0)
  // nobody is to get as far as the folder itself.
  execFileSync('chmod', ['755', folder, root])
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

const builtAt = () => statSync(join(root, 'dist/.built')).mtimeMs
const launch = (...args: string[]) => run(join(root, 'tsnet'), args)

describe('the launcher', () => {
  test('builds on first use, once when two come at the same time', async () => {
    const both = await Promise.all([launch('--version'), launch('--version')])
    expect(both.map(({ code, stdout }) => [code, stdout.replace(/\d.*/, 'N')])).toEqual([
      [0, 'tsnet version N\n'],
      [0, 'tsnet version N\n'],
    ])
    const said = both.map(({ stderr }) => stderr).join('')
    expect(said.match(/tsnet: building\n/g)).toHaveLength(1)
    expect(said).toContain('tsnet: another one is setting tsnet up: waiting for it\n')
  })

  test('goes straight to the built program from then on, under another name and from anywhere', async () => {
    const before = builtAt()
    const link = join(folder, 'link')
    symlinkSync(join(root, 'tsnet'), link)
    for (const command of [link, './link', '../clone/tsnet', 'clone/tsnet']) {
      const cwd = command.startsWith('..') ? root : folder
      const shown = execFileSync('sh', ['-c', `cd '${cwd}' && ${command} --version`], { encoding: 'utf8' })
      expect(shown).toMatch(/^tsnet version /)
    }
    expect(builtAt()).toBe(before)
  })

  test('passes arguments on as they are', async () => {
    const { stderr } = await launch('run', '--name', 'a b', '--entrypoint', '', '-p', '*', 'x')
    expect(stderr).toContain('tsnet: invalid containerPort: *')
  })

  test('builds anew when a source has been replaced, as git does it', async () => {
    const version = join(root, 'src/version.ts')
    const before = builtAt()
    writeFileSync(`${version}.new`, readFileSync(version, 'utf8').replace(/'\d.*'/, "'9.9.9'"))
    renameSync(`${version}.new`, version)
    expect(await launch('--version')).toEqual({
      code: 0,
      stdout: 'tsnet version 9.9.9\n',
      stderr: 'tsnet: building\n',
    })
    expect(builtAt()).toBeGreaterThan(before)
    expect((await launch('--version')).stderr).toBe('')
  })

  test('keeps the old program when a new one cannot be built', async () => {
    const file = join(root, 'src/cli/broken.ts')
    writeFileSync(file, '')
    writeFileSync(join(root, 'src/cli/host.ts.old'), readFileSync(join(root, 'src/cli/host.ts')))
    writeFileSync(join(root, 'src/cli/host.ts'), 'export const = 1')
    const failed = await launch('--version')
    expect(failed.code).toBe(1)
    expect(failed.stderr).toContain('ERROR')
    expect(statSync(join(root, 'dist/cli.cjs')).size).toBeGreaterThan(1000)
    renameSync(join(root, 'src/cli/host.ts.old'), join(root, 'src/cli/host.ts'))
    rmSync(file)
    expect((await launch('--version')).code).toBe(0)
  })

  test('starts the daemon’s own program', async () => {
    const { stdout } = await launch('daemon', '--help')
    expect(stdout).toMatch(/^Usage: {2}tsnet daemon \[OPTIONS\]/)
  })

  test('says who may build it to somebody who may not', async () => {
    utimesSync(join(root, 'src'), new Date(), new Date())
    chownSync(root, 0, 0)
    const { code, stderr } = await run('setpriv', [
      '--reuid',
      '65534',
      '--clear-groups',
      join(root, 'tsnet'),
      'ps',
    ])
    expect([code, stderr]).toEqual([
      1,
      `tsnet: must be built in ${root}, but nobody may not write there: run tsnet once as its owner\n`,
    ])
    expect((await launch('--version')).code).toBe(0)
  })

  test('says what it needs on a machine without Node.js', async () => {
    const bare = join(folder, 'bare')
    const bin = join(folder, 'bin')
    mkdirSync(bin)
    for (const tool of ['sh', 'readlink', 'dirname', 'id', 'flock']) {
      symlinkSync(
        execFileSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).trim(),
        join(bin, tool),
      )
    }
    for (const name of ['tsnet', 'scripts'])
      cpSync(join(repository, name), join(bare, name), { recursive: true })
    const { code, stderr } = await run(join(bare, 'tsnet'), ['ps'], { env: { PATH: bin } })
    expect([code, stderr]).toEqual([
      1,
      'tsnet: needs Node.js 20 or newer with npm on the PATH, and brings its own Node.js from there on\n',
    ])
  })
})
