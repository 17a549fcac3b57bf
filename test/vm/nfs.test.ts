/** Volumes on a server of NFS, which is cut off: runs in the guest of test/vm/run, whose kernel has both sides. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { NfsServer } from '../helpers/nfs-server.ts'

let daemon: TestDaemon
let directory: string
let exported: NfsServer

const server = 'nfs-server'
const options = (o = ''): string[] =>
  ['type=nfs', 'device=:/', `o=addr=10.93.0.1,vers=4.2${o}`].flatMap((option) => ['-o', option])

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'exported-'))
  mkdirSync(join(directory, 'inside'))
  daemon = await TestDaemon.start()
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
  execFileSync('ip', ['netns', 'add', server])
  execFileSync('ip', ['-n', server, 'link', 'set', 'lo', 'up'])
  daemon.inNetns('ip', `link add nfs0 type veth peer name nfs1 netns ${server}`.split(' '))
  daemon.inNetns('ip', 'addr add 10.93.0.2/24 dev nfs0'.split(' '))
  daemon.inNetns('ip', 'link set nfs0 up'.split(' '))
  for (const command of ['addr add 10.93.0.1/24 dev nfs1', 'link set nfs1 up'])
    execFileSync('ip', ['-n', server, ...command.split(' ')])
  exported = new NfsServer(server, directory, '10.93.0.2')
  expect((await daemon.docker('volume', 'create', ...options(), 'shared')).code).toBe(0)
})

afterAll(async () => {
  cut('up')
  await daemon.stop()
  exported[Symbol.dispose]()
  execFileSync('ip', ['netns', 'del', server])
  rmSync(directory, { recursive: true })
})

const cut = (state: 'up' | 'down'): Buffer => execFileSync('ip', ['-n', server, 'link', 'set', 'nfs1', state])

const mounted = (): string[] =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(' nfs4 '))

test('containers share what is on the server, which is mounted as long as one of them runs', async () => {
  const run = ['run', '-d', '-v', 'shared:/data', 'box', 'sh', '-c']
  expect(await daemon.docker(...run, 'echo text > /data/file; sleep 600')).toMatchObject({ code: 0 })
  // a client writes when the file is closed
  const seen = (): string => readFileSync(join(directory, 'file'), { encoding: 'utf8', flag: 'a+' })
  await expect.poll(seen, { timeout: 60_000 }).toBe('text\n')
  const { stdout } = await daemon.docker('run', '--rm', '-v', 'shared:/data', 'box', 'cat', '/data/file')
  expect(stdout).toBe('text\n')
  expect(mounted()).toHaveLength(1)
  expect(mounted()[0]).toMatch(/\bsoft\b.*\btimeo=100\b.*\bretrans=2\b/)
  const ids = (await daemon.docker('ps', '-q')).stdout.trim().split('\n')
  expect((await daemon.docker('rm', '-f', ...ids)).code).toBe(0)
  await expect.poll(mounted, { timeout: 60_000 }).toEqual([])
})

test('a server that is cut off keeps nobody waiting but who needs it', async () => {
  const run = ['run', '-d', '--name', 'user', '-v', 'shared:/data', 'box', 'sleep', '600']
  expect(await daemon.docker(...run)).toMatchObject({ code: 0 })
  expect((await daemon.docker('volume', 'create', ...options(',timeout=20'), 'second')).code).toBe(0)
  cut('down')
  for (const command of [
    ['ps'],
    ['volume', 'ls'],
    ['volume', 'inspect', 'shared'],
    ['system', 'df', '-v'],
    ['run', '--rm', '-v', 'local:/data', 'box', 'touch', '/data/file'],
  ]) {
    const { code, stderr } = await daemon.docker(...command)
    expect(code, `${command.join(' ')}: ${stderr}`).toBe(0)
  }
  const failed = await daemon.docker('run', '--rm', '-v', 'second:/data', 'box', 'true')
  expect(failed.code).not.toBe(0)
  expect(failed.stderr).toContain('nfs server 10.93.0.1 does not answer on port 2049: ')
  // a daemon that starts now does not ask the server either
  await daemon.kill()
  await daemon.launch()
  expect((await daemon.docker('ps', '--format', '{{.Names}}')).stdout).toBe('user\n')
  expect((await daemon.docker('rm', '-f', 'user')).code).toBe(0)
  await expect.poll(mounted, { timeout: 60_000 }).toEqual([])
})

test('a server that is back is mounted again', async () => {
  cut('up')
  const { code, stdout, stderr } = await daemon.docker(
    ...['run', '--rm', '-v', 'second:/data', 'box', 'cat', '/data/file'],
  )
  expect(stderr).toBe('')
  expect(code).toBe(0)
  expect(stdout).toBe('text\n')
})
