/** What becomes of mounts at a start: dead sources, kills in the middle, swapped paths, owners seen otherwise. */
import { execFileSync, spawn } from 'node:child_process'
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'

const daemon = await TestDaemon.start()
const client = new TestClient(daemon)
const { docker, tsnet, refusal } = client
const FILES = 2000
const host = mkdtempSync(join(tmpdir(), 'tsnet-options-'))

beforeAll(async () => {
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
  await daemon.dockerWith({ input: manyArchive() }, 'import', '-', 'many')
})
afterEach(() => client.clear())
afterAll(async () => {
  await daemon.stop()
  rmSync(host, { recursive: true, force: true })
})

/** The root of `box` with so many files that a kill comes in the middle of their copying. */
function manyArchive(): Buffer {
  const root = join(host, 'many-root')
  mkdirSync(join(root, 'many'), { recursive: true })
  for (let count = 0; count < FILES; count++) writeFileSync(join(root, 'many', `${count}`), `${count}`)
  const archive = join(host, 'many.tar')
  writeFileSync(archive, busyboxArchive())
  execFileSync('tar', ['-C', root, '-rf', archive, '.'])
  return readFileSync(archive)
}

const sh = (script: string, ...args: string[]): Promise<string> =>
  docker('run', '--rm', ...args, 'box', 'sh', '-c', script)

const dataOf = (volume: string): string => join(daemon.dataRoot, 'volumes', volume, '_data')

it('a volume is filled by a container’s first start alone: what it empties stays so', async () => {
  await docker(
    'create',
    '--name',
    'twice',
    '-v',
    'emptied:/data',
    'box',
    'sh',
    '-c',
    'ls /data; rm -f /data/seed',
  )
  expect(await docker('start', '-a', 'twice')).toBe('seed')
  expect(await docker('start', '-a', 'twice')).toBe('')
  expect(await sh('ls /data', '-v', 'emptied:/data')).toBe('seed')
})

it('a start that is killed while it fills a volume shows nothing of it, and the next start has it whole', async () => {
  await docker('volume', 'create', 'torn')
  const staged = join(dataOf('torn'), '.tsnet-copying')
  for (const least of [0, 200]) {
    let isOver = false
    const started = daemon.docker('run', '-v', 'torn:/many', 'many', 'true').then(() => {
      isOver = true
    })
    while (!isOver && entries(staged).length < least + 1) await new Promise(setImmediate)
    for (const pid of copying()) process.kill(pid, 'SIGKILL')
    await started
    // All or nothing: it may have been done before it was killed.
    const seen = entries(dataOf('torn')).filter((name) => !name.startsWith('.tsnet-'))
    expect([0, FILES]).toContain(seen.length)
    expect(await docker('run', '--rm', '-v', 'torn:/many', 'many', 'sh', '-c', 'ls -A /many | wc -l')).toBe(
      `${FILES}`,
    )
    await client.clear()
    rmSync(dataOf('torn'), { recursive: true })
    mkdirSync(dataOf('torn'))
  }
})

function entries(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : []
}

/** The inits that fill a volume, by what they call themselves. */
function copying(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && isCopying(pid))
}

function isCopying(pid: number): boolean {
  try {
    const init = readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('copy ')
    return init && readFileSync(`/proc/${pid}/mountinfo`, 'utf8').includes(daemon.root)
  } catch {
    return false
  }
}

it('a volume’s subpath never shows anything outside, whoever swaps it meanwhile', async () => {
  await docker('volume', 'create', 'swapped')
  const data = dataOf('swapped')
  mkdirSync(join(data, 'a/b'), { recursive: true })
  writeFileSync(join(data, 'a/b/inside'), '')
  mkdirSync(join(data, 'other'))
  symlinkSync('/', join(data, 'other/b'))
  const swap = `
    const { renameSync } = require('node:fs')
    process.chdir(process.argv[1])
    for (;;) { renameSync('a', 'third'); renameSync('other', 'a'); renameSync('third', 'other') }`
  const swapper = spawn(process.execPath, ['-e', swap, data])
  try {
    for (let count = 0; count < 8; count++) {
      const mount = 'type=volume,src=swapped,dst=/s,volume-subpath=a/b'
      const { code, stdout, stderr } = await daemon.tsnet(
        'run',
        '--rm',
        '--mount',
        mount,
        'box',
        'ls',
        '-A',
        '/s',
      )
      if (code === 0) expect(stdout.trim()).toBe('inside')
      else expect(stderr).toMatch(/escapes the base directory|cannot access path/)
    }
  } finally {
    swapper.kill('SIGKILL')
  }
})

it('a subpath that is missing or leads outside is refused in Docker’s words, and the container can start later', async () => {
  await docker('volume', 'create', 'parts')
  const data = dataOf('parts')
  symlinkSync('../../..', join(data, 'up'))
  const create = (name: string, subpath: string): Promise<string> =>
    tsnet(
      'create',
      '--name',
      name,
      '--mount',
      `type=volume,src=parts,dst=/p,volume-subpath=${subpath}`,
      'box',
      'ls',
      '/p',
    )
  await create('escaping', 'up')
  expect(await refusal('start', 'escaping')).toContain(
    `path concatenation escapes the base directory, base: ${data}, subpath: up`,
  )
  await create('missing', 'later')
  expect(await refusal('start', 'missing')).toContain(
    `cannot access path ${data}/later: lstat ${data}/later: no such file or directory`,
  )
  mkdirSync(join(data, 'later'))
  writeFileSync(join(data, 'later/file'), '')
  expect(await docker('start', '-a', 'missing')).toBe('file')
})

it('a source that went away between create and start is told, and what the start had begun is undone', async () => {
  const source = join(host, 'leaving')
  mkdirSync(source)
  await docker('create', '--name', 'late', '--mount', `type=bind,src=${source},dst=/b`, 'box', 'ls', '/b')
  renameSync(source, `${source}.away`)
  expect(await refusal('start', 'late')).toContain(`bind source path does not exist: ${source}`)
  expect(existsSync(source)).toBe(false)
  renameSync(`${source}.away`, source)
  expect(await docker('start', '-a', 'late')).toBe('')
})

it('a volume too small for what the image has there: the start says so, and nothing of it stays', async () => {
  await docker('volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', '-o', 'o=size=1m', 'small')
  expect(await refusal('run', '--rm', '-v', 'small:/many', 'many', 'true')).toMatch(
    /no space left in .*small\/_data for what the image has at \/many: \d\.\d MiB needed, .* free/,
  )
  await docker('volume', 'rm', 'small')
})

it('the namespaces of mappings go with the last container, and with the daemon’s next start', async () => {
  const source = join(host, 'mapped')
  mkdirSync(source)
  chownSync(source, 1000, 1000)
  const pins = (): string[] => readdirSync(join(daemon.execRoot, 'userns'))
  const mount = `type=bind,src=${source},dst=/b,idmap=1000:0:1`
  for (const name of ['one', 'two']) {
    await tsnet('run', '-d', '--name', name, '--mount', mount, 'box', 'sleep', '600')
    await docker('exec', name, 'touch', `/b/${name}`)
  }
  expect(statSync(join(source, 'two')).uid).toBe(1000)
  expect(pins()).toHaveLength(1)
  await client.remove('one')
  expect(pins()).toHaveLength(1)
  await client.remove('two')
  expect(pins()).toEqual([])
  await daemon.kill()
  writeFileSync(join(daemon.execRoot, 'userns/left-over'), '')
  await daemon.launch()
  expect(pins()).toEqual([])
})
