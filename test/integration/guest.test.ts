/** tsnet as a plugin of a real dockerd, both in one network namespace. */
import { rmSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { busyboxArchive, dockerClient, run, TestDaemon } from '../helpers/daemon.ts'
import { pluginDirectory } from '../helpers/docker-plugin.ts'
import { type Dockerd, startDockerd } from '../helpers/dockerd.ts'

const plugins = pluginDirectory()
const daemon = await TestDaemon.start()
let dockerd: Dockerd

async function docker(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(dockerClient(), args, { env: env() })
  if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`)
  return stdout.trim()
}

async function refusal(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(dockerClient(), args, { env: env() })
  if (code === 0) throw new Error(`docker ${args.join(' ')}: succeeded: ${stdout}`)
  return stderr
}

const env = () => ({ DOCKER_HOST: `unix://${dockerd.socket}`, DOCKER_CONFIG: plugins })
const wait = (name: string, ...args: string[]): Promise<string> =>
  docker('run', '-d', '--init=false', '--name', name, ...args, 'box', 'sleep', '600')
const inside = (container: string, script: string): Promise<string> =>
  docker('exec', container, 'sh', '-c', script)

/** Links of tsnet's for dockerd, and rules about them. */
function left(): string {
  const links = daemon.inNetns('ip', ['-o', 'link'])
  return [...links.matchAll(/alias (tsnet-\w+-plugin:\w+)/g)].map(([, alias]) => alias).join(' ')
}

beforeAll(async () => {
  const served = await daemon.tsnet('plugin', 'serve', '--socket-dir', plugins)
  expect(served).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('tsnet: IpamDriver, VolumeDriver\ntsnet-bridge: NetworkDriver\n'),
  })
  dockerd = await startDockerd([], { netns: daemon.netns, plugins })
  await run(dockerClient(), ['import', '-', 'box'], { input: busyboxArchive(), env: env() })
})

afterEach(async () => {
  const ids = (await docker('ps', '-aq')).split('\n').filter(Boolean)
  if (ids.length > 0) await docker('rm', '-f', ...ids)
  await docker('network', 'prune', '-f')
})

afterAll(async () => {
  await dockerd?.stop()
  await daemon.stop()
  rmSync(plugins, { recursive: true, force: true })
})

describe('tsnet-bridge under dockerd', () => {
  it('carries containers to each other, to the host and back from published ports, and leaves nothing', async () => {
    await docker('network', 'create', '-d', 'tsnet-bridge', '--subnet', '10.71.0.0/24', 'net')
    await wait('one', '--network', 'net', '-p', '8071:80', '-p', '9071:80/udp')
    await wait('two', '--network', 'net', '--ip', '10.71.0.9')
    await inside('one', 'ping -c 1 -W 2 two && ping -c 1 -W 2 10.71.0.9 && ping -c 1 -W 2 10.71.0.1')
    expect(await inside('one', 'ip route')).toContain('default via 10.71.0.1 dev eth0')
    await docker('exec', '-d', 'one', 'sh', '-c', 'while :; do echo hello | nc -l -p 80; done')
    await expect.poll(() => daemon.inNetns('sh', ['-c', 'nc -w 1 127.0.0.1 8071 </dev/null'])).toBe('hello\n')
    await docker('rm', '-f', 'one', 'two')
    await docker('network', 'rm', 'net')
    expect(left()).toBe('')
  })
})
