/** Drivers that have a thread for themselves, and misbehave in it, in a live daemon. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { busyboxArchive, repository, TestDaemon } from '../helpers/daemon.ts'

let daemon: TestDaemon
const directory = mkdtempSync(join(tmpdir(), 'tsnet-drivers-'))
const drivers = join(directory, 'drivers')
const data = join(directory, 'data')

const write = (name: string, text: string): void => writeFileSync(join(drivers, name), text)

/** Volumes that are folders, and do what their names say. */
const rude = (mark: string): string => `
  import { mkdirSync, writeFileSync } from 'node:fs'
  import { rm } from 'node:fs/promises'
  import { DriverError, defineDriver, Type } from 'tsnet/driver'
  import { mark } from './lib/mark.ts'

  setTimeout(() => { throw new Error('out of nowhere') }, 10)
  const kept: unknown[] = []
  export default defineDriver({
    apiVersion: 1,
    description: 'Rude ${mark}',
    isolation: 'worker',
    timeout: 3000,
    volume: {
      options: Type.Object({ copies: Type.Integer({ default: 1, maximum: 3 }) }),
      async create({ name, options }, { signal }) {
        if (name === 'loop') for (;;) {}
        if (name === 'exit') process.exit(3)
        if (name === 'throw') throw new TypeError('oops')
        if (name === 'refused') throw new DriverError('conflict', 'not that name')
        if (name === 'memory') for (;;) kept.push(new Array(100_000).fill(1.5))
        if (name === 'map') for (const map = new Map(); ; ) map.set(map.size, { of: map.size })
        if (name === 'buffers') for (;;) kept.push(Buffer.alloc(1_000_000, 1))
        if (name === 'hang') {
          return new Promise(() => signal.addEventListener('abort', () => writeFileSync(${JSON.stringify(data)} + '/aborted', '')))
        }
        if (name.startsWith('late')) await new Promise((resolve) => setTimeout(resolve, 2000))
        const path = ${JSON.stringify(data)} + '/' + name
        mkdirSync(path, { recursive: true })
        writeFileSync(path + '/made', mark + ' ' + options.copies + ' ${mark}')
        return path
      },
      remove: ({ path }) => rm(path || '/nonexistent', { recursive: true, force: true }),
    },
  })
`

const create = (Name: string, DriverOpts: Record<string, string> = {}, Driver = 'rude') =>
  daemon.api('POST', '/volumes/create', { Name, Driver, DriverOpts })
const made = (name: string): string => readFileSync(join(data, name, 'made'), 'utf8')
const status = async (name: string): Promise<string> =>
  (await daemon.tsnet('driver', 'ls', '--format', '{{.Name}} {{.Status}}')).stdout
    .split('\n')
    .find((row) => row.startsWith(`${name} `)) ?? ''

beforeAll(async () => {
  mkdirSync(join(drivers, 'lib'), { recursive: true })
  mkdirSync(data)
  write('lib/mark.ts', `export const mark: string = 'one'`)
  write('rude.ts', rude('first'))
  write('polite.ts', rude('polite'))
  const isolate = (text: string): string =>
    text.replace('apiVersion: 1,', "apiVersion: 1, isolation: 'worker',")
  const routed = readFileSync(join(repository, 'examples/point-to-point.ts'), 'utf8')
  write('routed.ts', isolate(routed))
  const leasing = isolate(readFileSync(join(repository, 'examples/new/ipam.ts'), 'utf8'))
  write(
    'leasing.ts',
    leasing.replace(
      'lease({ subnet }, {',
      "lease({ subnet }, { owner: _, address: wish }) { if (wish === '10.200.0.66') process.exit(1); return this.give({ subnet }, { address: wish, preferred: '' }) },\n    give({ subnet }, {",
    ),
  )
  daemon = await TestDaemon.start(['--driver-dir', drivers])
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'busybox')
})

afterAll(async () => {
  await daemon?.stop()
  rmSync(directory, { recursive: true, force: true })
})

test('its options are read by its schema, and its refusals keep their kind', async () => {
  expect(await create('work', { copies: '2' })).toMatchObject({ status: 201 })
  expect(made('work')).toBe('one 2 first')
  expect((await create('bad', { copies: '9' })).body).toMatchObject({
    message: expect.stringContaining('driver rude: option copies "9": must be <= 3'),
  })
  expect(await create('refused')).toMatchObject({
    status: 409,
    body: { message: expect.stringContaining('driver rude: not that name') },
  })
  expect(await create('throw')).toMatchObject({
    status: 500,
    body: { message: expect.stringContaining('driver rude: oops') },
  })
})

test('an endless loop costs the call its time and the driver its thread, and nobody else waits', async () => {
  const looping = create('loop')
  let answered = false
  void looping.then(() => {
    answered = true
  })
  expect(await create('beside', {}, 'polite')).toMatchObject({ status: 201 })
  const run = await daemon.docker('run', '--rm', 'busybox', 'echo', 'fine')
  expect(run.stdout).toBe('fine\n')
  expect(await looping).toMatchObject({
    status: 503,
    body: {
      message: expect.stringContaining('driver rude: create was given up: no answer within 3 seconds'),
    },
  })
  expect(answered).toBe(true)
  // Waits until the thread is known to be lost, and has a new one.
  expect(await create('after-loop')).toMatchObject({ status: 201 })
})

test.each([
  ['exit', /driver rude: its thread has ended with code 3/],
  ['memory', /driver rude: its thread was ended: it took more than the 512 MiB/],
  ['buffers', /driver rude: its thread was ended: it took more than the 512 MiB/],
  ['map', /driver rude: (its thread was ended: it took more than the 512 MiB|create was given up)/],
])('%s ends the thread alone, and the next call has a new one', async (name, message) => {
  const pid = daemon.pid
  expect(await create(name)).toMatchObject({ status: 503, body: { message: expect.stringMatching(message) } })
  expect(await create(`after-${name}`)).toMatchObject({ status: 201 })
  expect(made(`after-${name}`)).toBe('one 1 first')
  expect(daemon.pid).toBe(pid)
  expect(await status('rude')).toBe('rude ready')
})

test('a call that hangs is told so by its signal, and the calls beside it keep their thread', async () => {
  const hanging = create('hang')
  await new Promise((resolve) => setTimeout(resolve, 1500))
  const late = create('late-beside')
  expect((await hanging).body).toMatchObject({ message: expect.stringContaining('create was given up') })
  expect(await late).toMatchObject({ status: 201 })
  expect(readFileSync(join(data, 'aborted'), 'utf8')).toBe('')
})

test('a reload takes the new version, and lets the earlier one finish what it is at', async () => {
  const late = create('late-reload')
  await new Promise((resolve) => setTimeout(resolve, 200))
  write('lib/mark.ts', `export const mark: string = 'two'`)
  write('rude.ts', rude('second'))
  process.kill(daemon.pid, 'SIGHUP')
  await expect
    .poll(async () => (await daemon.tsnet('driver', 'inspect', 'rude')).stdout)
    .toContain('Rude second')
  expect(await create('next')).toMatchObject({ status: 201 })
  expect(made('next')).toBe('two 1 second')
  expect(await late).toMatchObject({ status: 201 })
  expect(made('late-reload')).toBe('one 1 first')
})

test.each([
  ['for (;;) {}', 'it was not loaded within 10 seconds'],
  ['process.exit(7)', 'its thread has ended with code 7'],
  ["throw new Error('not today')", 'not today'],
])('one that does not load keeps its earlier version in use: %s', async (top, reason) => {
  write('rude.ts', `${top}\n${rude('third')}`)
  await daemon.tsnet('driver', 'reload')
  expect(await status('rude')).toBe('rude outdated')
  expect((await daemon.tsnet('driver', 'inspect', 'rude')).stdout).toContain(reason)
  expect(await create('kept')).toMatchObject({ status: 201 })
  expect(made('kept')).toMatch(/second$/)
})

test('isolation that is not found in the text of the file is refused', async () => {
  write('hidden.ts', rude('hidden').replace("isolation: 'worker'", "['isolation' as const]: 'worker'"))
  await daemon.tsnet('driver', 'reload')
  expect((await daemon.tsnet('driver', 'ls')).stdout).toContain("isolation: 'worker' must stand in")
  rmSync(join(drivers, 'hidden.ts'))
})

test('containers talk over a network whose drivers have threads, also after these were lost', async () => {
  const create = [
    ...['network', 'create', '-d', 'routed', '--ipam-driver', 'leasing'],
    ...['--subnet', '10.200.0.0/24', 'net'],
  ]
  expect(await daemon.docker(...create)).toMatchObject({ code: 0, stderr: '' })
  const start = (name: string, ...more: string[]) =>
    daemon.docker('run', '-d', '--name', name, '--network', 'net', ...more, 'busybox', 'sleep', '1000')
  const address = async (name: string): Promise<string> =>
    (
      await daemon.docker('inspect', '-f', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', name)
    ).stdout.trim()
  expect(await start('one')).toMatchObject({ code: 0, stderr: '' })
  expect((await start('lost', '--ip', '10.200.0.66')).stderr).toContain(
    'driver leasing: its thread has ended with code 1',
  )
  // Its memory is gone: what is leased it has from the daemon.
  expect(await start('two')).toMatchObject({ code: 0, stderr: '' })
  expect([await address('one'), await address('two')]).toEqual(['10.200.0.2', '10.200.0.3'])
  expect((await daemon.docker('exec', 'one', 'ping', '-c1', '-W2', 'two')).code).toBe(0)
  await daemon.kill()
  await daemon.launch()
  await daemon.tsnet('driver', 'reload')
  expect(await start('three')).toMatchObject({ code: 0, stderr: '' })
  expect((await daemon.docker('exec', 'three', 'ping', '-c1', '-W2', 'one')).code).toBe(0)
  await daemon.docker('rm', '-f', 'one', 'two', 'three', 'lost')
  expect((await daemon.docker('network', 'rm', 'net')).code).toBe(0)
})
