import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, run, TestDaemon } from '../helpers/daemon.ts'
import { pluginDirectory } from '../helpers/docker-plugin.ts'

const plugins = pluginDirectory()
const root = mkdtempSync(join(tmpdir(), 'tsnet-rclone-'))
const store = join(root, 'store')
const mounts = join(root, 'mounts')
const socket = join(plugins, 'rclone.sock')
for (const directory of [store, mounts]) mkdirSync(directory)

/** rclone as its manual has it for Docker, with files of its own. */
async function startRclone(): Promise<ChildProcess> {
  rmSync(socket, { force: true })
  const child = spawn(
    'rclone',
    ['serve', 'docker', '--config', join(root, 'rclone.conf'), '--cache-dir', join(root, 'cache')]
      .concat(['--socket-addr', socket, '--base-dir', mounts])
      .concat(['--vfs-cache-mode', 'writes', '--vfs-write-back', '10ms', '--dir-cache-time', '10ms']),
    { stdio: 'ignore' },
  )
  while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 20))
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}

writeFileSync(join(root, 'rclone.conf'), `[kept]\ntype = alias\nremote = ${store}\n`)
let rclone = await startRclone()
const daemon = await TestDaemon.start(['--plugin-dir', plugins])
const client = new TestClient(daemon)
const { docker, inside, wait } = client

beforeAll(async () => {
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterAll(async () => {
  await daemon.stop()
  await kill(rclone)
  for (const name of ['data', 'had']) await run('umount', ['-l', join(mounts, name)])
  for (const path of [plugins, root]) rmSync(path, { recursive: true, force: true })
})

describe('volumes of rclone, a Docker plugin', () => {
  it('hold what containers write, over a restart of the daemon, until they are removed', async () => {
    await docker('volume', 'create', '-d', 'rclone', '-o', 'remote=kept:one', 'data')
    expect(JSON.parse(await docker('volume', 'inspect', 'data'))[0]).toMatchObject({
      Driver: 'rclone',
      Mountpoint: join(mounts, 'data'),
      Options: { remote: 'kept:one' },
    })
    await wait('web', '-v', 'data:/data')
    await inside('web', 'echo hello > /data/file')
    await daemon.kill()
    await daemon.launch()
    expect(await inside('web', 'cat /data/file')).toBe('hello')
    expect(await docker('run', '--rm', '-v', 'data:/data:ro', 'box', 'cat', '/data/file')).toBe('hello')
    expect(await inside('web', 'cat /data/file')).toBe('hello')
    await client.remove('web')
    await expect.poll(() => existsSync(join(store, 'one/file'))).toBe(true)
    expect(readFileSync(join(store, 'one/file'), 'utf8')).toBe('hello\n')
    await docker('volume', 'rm', 'data')
    expect(await docker('volume', 'ls', '-q')).toBe('')
  })

  it('that rclone had before are listed, and become the daemon’s with what is in them', async () => {
    const create = `{"Name":"had","Opts":{"remote":"kept:two"}}`
    const url = 'http://plugin/VolumeDriver.Create'
    expect((await run('curl', ['-sS', '--unix-socket', socket, '-d', create, url])).code).toBe(0)
    mkdirSync(join(store, 'two'))
    writeFileSync(join(store, 'two/old'), 'old')
    await expect.poll(() => docker('volume', 'ls', '-q'), { timeout: 5000 }).toBe('had')
    expect(await docker('volume', 'ls', '-q', '-f', 'dangling=true')).toBe('')
    expect(await docker('volume', 'inspect', '-f', '{{.Driver}}', 'had')).toBe('rclone')
    expect(await docker('run', '--rm', '-v', 'had:/data', 'box', 'cat', '/data/old')).toBe('old')
    await docker('volume', 'rm', 'had')
    expect(await docker('volume', 'ls', '-q')).toBe('')
  })

  it('are listed and inspected at once while rclone is dead, and a start waits until it is back', async () => {
    await docker('volume', 'create', '-d', 'rclone', '-o', 'remote=kept:one', 'data')
    await kill(rclone)
    const began = performance.now()
    expect(await docker('volume', 'ls', '-q')).toBe('data')
    await docker('volume', 'inspect', 'data')
    await docker('ps', '-a')
    expect(await docker('run', '--rm', 'box', 'echo', 'other')).toBe('other')
    expect(await client.refusal('volume', 'create', '-d', 'rclone', 'more')).toContain('driver rclone: ')
    expect(performance.now() - began).toBeLessThan(5000)
    const started = docker('run', '--rm', '--name', 'web', '-v', 'data:/data', 'box', 'cat', '/data/file')
    const told = async (): Promise<string> => (await daemon.docker('ps', '-a')).stdout
    await expect.poll(told, { timeout: 5000 }).toMatch(/Created, waiting for plugin rclone for /)
    const { State } = await client.inspect('container', 'web')
    expect(State.Waiting).toEqual({ Plugin: 'rclone', Since: expect.stringMatching(/^2\d{3}-.*Z$/) })
    const [driver] = JSON.parse(await client.tsnet('driver', 'inspect', 'rclone'))
    expect(driver).toMatchObject({ Kind: 'volume', Origin: 'plugin', Status: 'unreachable' })
    expect(await client.tsnet('info')).toMatch(
      /Drivers:\n {2}rclone: unreachable: driver rclone: nobody answers/,
    )
    rclone = await startRclone()
    expect(await started).toBe('hello')
    expect(await told()).not.toContain('waiting')
    const { body } = await daemon.api('GET', '/info')
    expect(body).toMatchObject({
      Plugins: { Volume: ['local', 'rclone'] },
      TsnetDrivers: [{ Name: 'rclone', Kind: 'volume', Origin: 'plugin', Status: 'ready', Error: '' }],
    })
    await docker('volume', 'rm', 'data')
  })
})
