/** Drivers in files of an operator's, in a live daemon. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'

let daemon: TestDaemon
const directory = mkdtempSync(join(tmpdir(), 'tsnet-drivers-'))
const drivers = join(directory, 'drivers')
const data = join(directory, 'data')

const write = (name: string, text: string): void => writeFileSync(join(drivers, name), text)

/** A driver of volumes that are directories, with `mark` in each new one. */
const folders = (mark: string): string => `
  import { mkdir, rm, writeFile } from 'node:fs/promises'
  import { DriverError, defineDriver, Type } from 'tsnet/driver'
  import { mark } from './lib/mark.ts'

  export default defineDriver({
    apiVersion: 1,
    description: 'Folders ${mark}',
    timeout: 1500,
    volume: {
      options: Type.Object({ copies: Type.Integer({ default: 1, maximum: 3 }), hang: Type.Boolean({ default: false }) }),
      async create({ name, options }) {
        if (name === 'refused') throw new DriverError('conflict', 'not that name')
        const path = ${JSON.stringify(data)} + '/' + name
        await mkdir(path, { recursive: true })
        await writeFile(path + '/made', mark + ' ' + options.copies + ' ${mark}')
        return path
      },
      remove: ({ path }) => rm(path || '/nonexistent', { recursive: true, force: true }),
      mount({ path, options }, { signal }) {
        if (options.hang) return new Promise(() => {})
        return path
      },
    },
  })
`

const rows = async (): Promise<string[]> =>
  (await daemon.tsnet('driver', 'ls', '--format', '{{.Kind}} {{.Name}} {{.Status}} {{.Users}}')).stdout
    .trimEnd()
    .split('\n')

beforeAll(async () => {
  mkdirSync(join(drivers, 'lib'), { recursive: true })
  mkdirSync(data)
  write('lib/mark.ts', `export const mark: string = 'one'`)
  write('folders.ts', folders('first'))
  write('broken.ts', 'export default {')
  write(
    'rude.ts',
    `import { defineDriver } from 'tsnet/driver'
     setTimeout(() => { throw new Error('out of nowhere') }, 10)
     setTimeout(() => process.exit(3), 10)
     setTimeout(() => Promise.reject(new Error('nobody waits')), 10)
     export default defineDriver({ apiVersion: 1, volume: {
       create() { throw new TypeError('oops') }, remove() {},
     } })`,
  )
  write('local.ts', `export default { apiVersion: 1, volume: { create: () => '/', remove() {} } }`)
  daemon = await TestDaemon.start(['--driver-dir', drivers])
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'busybox')
})

afterAll(async () => {
  await daemon?.stop()
  rmSync(directory, { recursive: true, force: true })
})

test('what did not load is listed with its reason, and ends nothing', async () => {
  expect(await rows()).toEqual(
    expect.arrayContaining([
      ' broken broken 0',
      ' local broken 0',
      'volume local ready 0',
      'volume folders ready 0',
      'network bridge ready 1',
    ]),
  )
  const { stdout } = await daemon.tsnet('driver', 'ls')
  expect(stdout).toMatch(/broken\.ts:1: .*Expected/i)
  expect(stdout).toContain("the name is that of tsnet's own volume driver")
})

test('a container uses a volume of the driver', async () => {
  const made = await daemon.docker('volume', 'create', '-d', 'folders', '-o', 'copies=2', 'work')
  expect(made).toMatchObject({ code: 0, stdout: 'work\n' })
  const run = await daemon.docker(
    'run',
    '--rm',
    '-v',
    'work:/w',
    'busybox',
    'sh',
    '-c',
    'cat /w/made; echo >/w/x',
  )
  expect(run.stdout).toBe('one 2 first')
  expect(readFileSync(join(data, 'work/x'), 'utf8')).toBe('\n')
  expect(await rows()).toContain('volume folders ready 1')
})

test('options are refused by the schema, with the names of driver and option', async () => {
  const create = (...options: string[]) =>
    daemon.docker('volume', 'create', '-d', 'folders', ...options, 'bad')
  expect((await create('-o', 'copies=9')).stderr).toContain('driver folders: option copies "9": must be <= 3')
  expect((await create('-o', 'colour=red')).stderr).toContain(
    'driver folders: option colour is unknown, known are copies, hang',
  )
})

test('errors carry the name of the driver, and their kind becomes the status', async () => {
  const create = (Driver: string, Name: string) => daemon.api('POST', '/volumes/create', { Name, Driver })
  expect(await create('folders', 'refused')).toMatchObject({
    status: 409,
    body: { message: expect.stringContaining('driver folders: not that name') },
  })
  expect(await create('rude', 'any')).toMatchObject({
    status: 500,
    body: { message: expect.stringContaining('driver rude: oops') },
  })
  expect((await create('broken', 'any')).body).toMatchObject({
    message: expect.stringMatching(/^driver broken: .*broken\.ts:1: /s),
  })
})

test('a driver that hangs is given up after its time, and others do not wait for it', async () => {
  await daemon.docker('volume', 'create', '-d', 'folders', '-o', 'hang=true', 'stuck')
  const stuck = daemon.docker('run', '--rm', '-v', 'stuck:/w', 'busybox', 'true')
  const other = await daemon.docker('run', '--rm', '-v', 'work:/w', 'busybox', 'echo', 'fine')
  expect(other.stdout).toBe('fine\n')
  expect((await stuck).stderr).toContain('driver folders: mount was given up: no answer within 1.5 seconds')
  expect((await daemon.docker('volume', 'rm', 'stuck')).code).toBe(0)
})

test('a reload takes what is there now while containers run, and keeps what does not load any more', async () => {
  const id = (await daemon.docker('run', '-d', '-v', 'work:/w', 'busybox', 'sleep', '1000')).stdout.trim()
  write('lib/mark.ts', `export const mark: string = 'two'`)
  write('folders.ts', folders('second'))
  write('broken.ts', folders('third'))
  rmSync(join(drivers, 'rude.ts'))
  expect((await daemon.tsnet('driver', 'reload')).stdout.split('\n')).toEqual(
    expect.arrayContaining(['broken', 'folders']),
  )
  expect(
    (
      await daemon.docker(
        'run',
        '--rm',
        '-v',
        'next:/w',
        '--volume-driver',
        'folders',
        'busybox',
        'cat',
        '/w/made',
      )
    ).stdout,
  ).toBe('two 1 second')
  expect((await rows()).join()).not.toContain('rude')
  write('folders.ts', 'export default 1')
  process.kill(daemon.pid, 'SIGHUP')
  await expect.poll(rows).toContain('volume folders outdated 2')
  const [shown] = JSON.parse((await daemon.tsnet('driver', 'inspect', 'folders')).stdout)
  expect(shown).toMatchObject({
    Status: 'outdated',
    Error: expect.stringContaining('its default export is no driver'),
  })
  expect((await daemon.docker('exec', id, 'cat', '/w/made')).stdout).toBe('one 2 first')
  expect((await daemon.docker('rm', '-f', id)).code).toBe(0)
})

test('volumes come back with a daemon whose driver does not load, and can be used once it does', async () => {
  await daemon.terminate()
  await daemon.launch()
  expect((await daemon.docker('volume', 'ls', '-q')).stdout.split('\n')).toContain('work')
  expect((await daemon.docker('volume', 'inspect', 'work')).code).toBe(0)
  const run = await daemon.docker('run', '--rm', '-v', 'work:/w', 'busybox', 'true')
  expect(run.stderr).toContain('driver folders: ')
  expect(run.stderr).toContain('its default export is no driver')
  write('folders.ts', folders('last'))
  await daemon.tsnet('driver', 'reload')
  expect((await daemon.docker('run', '--rm', '-v', 'work:/w', 'busybox', 'cat', '/w/made')).stdout).toBe(
    'one 2 first',
  )
})
