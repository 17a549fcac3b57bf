/** Volumes on a server of SMB, which is cut off: runs in the guest of test/vm/run, whose kernel can mount them. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { SmbServer } from '../helpers/smb-server.ts'

let daemon: TestDaemon
let directory: string
let server: SmbServer

const netns = 'smb-server'

const options = (password: string): string[] =>
  [
    'type=cifs',
    'device=//10.94.0.1/data',
    `o=addr=10.94.0.1,username=root,password=${password},vers=3.1.1`,
  ].flatMap((option) => ['-o', option])

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'smb-'))
  mkdirSync(join(directory, 'share'))
  daemon = await TestDaemon.start()
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
  execFileSync('ip', ['netns', 'add', netns])
  daemon.inNetns('ip', `link add smb0 type veth peer name smb1 netns ${netns}`.split(' '))
  daemon.inNetns('ip', 'addr add 10.94.0.2/24 dev smb0'.split(' '))
  daemon.inNetns('ip', 'link set smb0 up'.split(' '))
  for (const command of ['link set lo up', 'addr add 10.94.0.1/24 dev smb1', 'link set smb1 up'])
    execFileSync('ip', ['-n', netns, ...command.split(' ')])
  server = new SmbServer(netns, join(directory, 'state'), join(directory, 'share'), 'open:sesame')
})

afterAll(async () => {
  await daemon.stop()
  server[Symbol.dispose]()
  execFileSync('ip', ['netns', 'del', netns])
  rmSync(directory, { recursive: true })
})

const mounted = (): string[] =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(' cifs '))

test('containers write to a share, which is mounted as long as one of them runs', async () => {
  expect(await daemon.docker('volume', 'create', ...options('open:sesame'), 'shared')).toMatchObject({
    code: 0,
  })
  const run = ['run', '--rm', '-v', 'shared:/data', 'box']
  await expect.poll(async () => (await daemon.docker(...run, 'true')).stderr, { timeout: 200_000 }).toBe('')
  expect(await daemon.docker(...run, 'sh', '-c', 'echo text > /data/file')).toMatchObject({
    code: 0,
    stderr: '',
  })
  expect(readFileSync(join(directory, 'share/file'), 'utf8')).toBe('text\n')
  expect((await daemon.docker(...run, 'cat', '/data/file')).stdout).toBe('text\n')
  await expect.poll(mounted, { timeout: 60_000 }).toEqual([])
})

test('a wrong password is refused without being told', async () => {
  expect(await daemon.docker('volume', 'create', ...options('wrong'), 'locked')).toMatchObject({ code: 0 })
  const { code, stderr } = await daemon.docker('run', '--rm', '-v', 'locked:/data', 'box', 'true')
  expect(code).not.toBe(0)
  expect(stderr).toContain('permission denied')
  expect(stderr).not.toContain('wrong')
  expect(mounted()).toEqual([])
})

test('a server that is cut off is named within seconds', async () => {
  execFileSync('ip', ['-n', netns, 'link', 'set', 'smb1', 'down'])
  const { code, stderr } = await daemon.docker('run', '--rm', '-v', 'shared:/data', 'box', 'true')
  expect(code).not.toBe(0)
  expect(stderr).toContain('cifs server 10.94.0.1 does not answer on port 445: ')
  expect((await daemon.docker('volume', 'ls', '-q')).stdout).toBe('locked\nshared\n')
})
