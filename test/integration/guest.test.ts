/** tsnet as a plugin of a real dockerd, both in one network namespace. */
import { execFileSync } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, post } from '../../src/plugins/transport.ts'
import { busyboxArchive, dockerClient, run, TestDaemon } from '../helpers/daemon.ts'
import { DockerPlugin, directoryVolumes, pluginDirectory } from '../helpers/docker-plugin.ts'
import { type Dockerd, startDockerd } from '../helpers/dockerd.ts'
import { addNeighbour } from '../helpers/neighbour.ts'

const plugins = pluginDirectory()
const daemon = await TestDaemon.start()
const neighbour = addNeighbour(daemon)
let dockerd: Dockerd

const env = () => ({ DOCKER_HOST: `unix://${dockerd.socket}`, DOCKER_CONFIG: plugins })

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

const wait = (name: string, ...args: string[]): Promise<string> =>
  docker('run', '-d', '--name', name, ...args, 'box', 'sleep', '600')
const inside = (container: string, script: string): Promise<string> =>
  docker('exec', container, 'sh', '-c', script)
const addressOf = (container: string): Promise<string> =>
  docker('inspect', '-f', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', container)

/** What a connection from a namespace to a TCP port is told. */
function ask(netns: string, address: string, port: number): string {
  const client = `busybox nc -w 2 ${address} ${port} </dev/null`
  return execFileSync('ip', ['netns', 'exec', netns, 'sh', '-c', client], { encoding: 'utf8' }).trim()
}

const serveHello = (container: string): Promise<string> =>
  docker('exec', '-d', container, 'sh', '-c', 'while :; do echo hello | nc -l -p 80; done')

/** All that there is of links, and of tsnet's rules. */
function kernelSide(): string {
  const links = daemon.inNetns('ip', ['-o', 'link']).matchAll(/^\d+: (\S+?)[@:].*?(?:alias (\S+))?$/gm)
  const names = [...links].filter(([, , alias = '']) => !alias.endsWith(':retired')).map(([, name]) => name)
  const rules = daemon.inNetns('nft', ['-s', 'list', 'table', 'ip', daemon.mark])
  return [...names.sort(), rules].join('\n')
}

/** What a plugin of tsnet's answers when it is asked as dockerd asks. */
const call = (plugin: string, method: string, body: object): Promise<Answer> =>
  post(
    { kind: 'unix', socketPath: join(plugins, `${plugin}.sock`) },
    method,
    JSON.stringify(body),
    AbortSignal.timeout(10_000),
  )

beforeAll(async () => {
  expect(await daemon.tsnet('plugin', 'serve', '--socket-dir', plugins)).toEqual({
    code: 0,
    stdout:
      'tsnet: IpamDriver, VolumeDriver\ntsnet-bridge: NetworkDriver\ntsnet-macvlan: NetworkDriver\ntsnet-ipvlan: NetworkDriver\n',
    stderr: '',
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
  execFileSync('ip', ['netns', 'del', neighbour])
  rmSync(plugins, { recursive: true, force: true })
})

describe('tsnet-bridge under dockerd', () => {
  it('carries containers to each other and out, and others in by published ports, and leaves nothing', async () => {
    const before = kernelSide()
    await docker('network', 'create', '-d', 'tsnet-bridge', '--subnet', '10.71.0.0/24', 'net')
    await wait('one', '--network', 'net', '-p', '8071:80', '-p', '9000-9002:9000-9002/udp')
    await wait('two', '--network', 'net', '--ip', '10.71.0.9')
    await inside('one', 'ping -c 1 -W 2 two && ping -c 1 -W 2 10.71.0.1 && ping -c 1 -W 2 192.0.2.2')
    expect(await inside('one', 'ip route')).toContain('default via 10.71.0.1 dev eth0')
    expect(await inside('two', 'ip -o link show eth0')).toContain('link/ether 02:42:0a:47:00:09')
    const bridge = /^\d+: (br-\w+):/m.exec(daemon.inNetns('ip', ['-o', 'link']))?.[1] ?? ''
    daemon.inNetns('ip', ['link', 'del', bridge])
    await expect
      .poll(() => inside('one', 'ping -c 1 -W 1 two').catch(() => ''), { timeout: 10_000 })
      .toContain('1 packets received')
    await serveHello('one')
    await expect.poll(() => ask(neighbour, '192.0.2.1', 8071)).toBe('hello')
    await expect.poll(() => ask(daemon.netns, '127.0.0.1', 8071)).toBe('hello')
    const { stdout: listed } = await daemon.tsnet('plugin', 'ls')
    expect(listed).toMatch(/ bridge +10\.71\.0\.0\/24 .* 10\.71\.0\.2\/24 .*0\.0\.0\.0:8071->80\/tcp/)
    expect(await refusal('run', '--rm', '--network', 'net', '-p', '8071:80', 'box', 'true')).toContain(
      'Bind for 0.0.0.0:8071 failed: port is already allocated',
    )
    await docker('rm', '-f', 'one', 'two')
    await docker('network', 'rm', 'net')
    await expect.poll(kernelSide).toBe(before)
  })

  it('has IPv6, internal networks, options, and refuses what the driver does not know', async () => {
    const create = ['network', 'create', '-d', 'tsnet-bridge']
    await docker(...create, '--ipv6', '--subnet', '10.72.0.0/24', '--subnet', 'fd72::/64', '--internal', 'in')
    await wait('one', '--network', 'in')
    await wait('two', '--network', 'in')
    await inside('one', 'ping -c 1 -W 2 two && ping -6 -c 1 -W 2 fd72::1')
    expect(await inside('one', 'ip route')).not.toContain('default')
    await docker(...create, '-o', 'com.docker.network.driver.mtu=1400', '--subnet', '10.73.0.0/24', 'small')
    await docker('network', 'connect', 'small', 'one')
    expect(await inside('one', 'ip -o link show eth1')).toContain('mtu 1400')
    expect(await refusal(...create, '-o', 'colour=blue', 'bad')).toContain(
      'the bridge driver has no option colour',
    )
  })

  it('goes on when the daemon is killed: what runs keeps its network, and dockerd waits for the next daemon', async () => {
    await docker('network', 'create', '-d', 'tsnet-bridge', '--subnet', '10.74.0.0/24', 'net')
    await wait('one', '--network', 'net', '-p', '8074:80')
    await wait('gone', '--network', 'net')
    await serveHello('one')
    await daemon.kill()
    await inside('one', 'ping -c 1 -W 2 gone')
    const late = wait('late', '--network', 'net')
    await daemon.launch()
    await late
    await inside('late', 'ping -c 1 -W 2 one')
    await expect.poll(() => ask(neighbour, '192.0.2.1', 8074)).toBe('hello')
    await docker('rm', '-f', 'gone')
    await daemon.terminate()
    await inside('late', 'ping -c 1 -W 2 one')
    await daemon.launch()
    await expect.poll(() => ask(neighbour, '192.0.2.1', 8074)).toBe('hello')
  })

  it('goes on when dockerd is killed with its containers', async () => {
    await docker('network', 'create', '-d', 'tsnet-bridge', '--subnet', '10.75.0.0/24', 'net')
    const before = kernelSide()
    await wait('one', '--network', 'net', '-p', '8075:80', '--restart', 'always')
    await wait('two', '--network', 'net')
    await dockerd.restart()
    await expect
      .poll(() => inside('one', 'ip route').catch(() => ''), { timeout: 30_000 })
      .toContain('default via 10.75.0.1')
    await serveHello('one')
    await expect.poll(() => ask(neighbour, '192.0.2.1', 8075)).toBe('hello')
    await docker('start', 'two')
    await inside('two', 'ping -c 1 -W 2 one')
    await docker('rm', '-f', 'one', 'two')
    await expect.poll(kernelSide).toBe(before)
  })

  it('makes room for a network in the place of one whose end nobody has told, but not in that of the daemon’s own', async () => {
    const before = kernelSide()
    const lost = { NetworkID: 'f'.repeat(64), IPv4Data: [{ Pool: '10.76.0.0/24', Gateway: '10.76.0.1/24' }] }
    expect((await call('tsnet-bridge', 'NetworkDriver.CreateNetwork', lost)).body).toBe('{}')
    const create = ['network', 'create', '-d', 'tsnet-bridge', '--subnet', '10.76.0.0/16']
    await docker(...create, 'new')
    await docker('network', 'rm', 'new')
    await expect.poll(kernelSide).toBe(before)
    await daemon.docker('network', 'create', '--subnet', '10.76.0.0/24', 'own')
    expect(await refusal(...create, 'new')).toContain("overlaps 10.76.0.0/24 of tsnet's network own")
    await daemon.docker('network', 'rm', 'own')
  })
})

describe('tsnet-macvlan under dockerd', () => {
  it('puts containers beside the host on its parent', async () => {
    const network = ['-d', 'tsnet-macvlan', '--subnet', '192.0.2.0/24', '--gateway', '192.0.2.2']
    await docker('network', 'create', ...network, '-o', 'parent=up0', 'lan')
    await wait('one', '--network', 'lan', '--ip', '192.0.2.50')
    await wait('two', '--network', 'lan', '--ip', '192.0.2.51')
    await inside('one', 'ping -c 1 -W 2 two && ping -c 1 -W 2 192.0.2.2')
    await daemon.kill()
    await daemon.launch()
    await inside('one', 'ping -c 1 -W 2 two')
    await docker('rm', '-f', 'one', 'two')
    expect(daemon.inNetns('ip', ['-o', 'link', 'show', 'type', 'macvlan'])).toBe('')
  })
})

describe("tsnet's addresses under dockerd", () => {
  it('are for networks of any driver, apart from those of the daemon itself, and known over a crash', async () => {
    await daemon.docker('network', 'create', '--subnet', '10.77.0.0/24', 'own')
    const create = ['network', 'create', '--ipam-driver', 'tsnet']
    expect(await refusal(...create, '--subnet', '10.77.0.0/16', 'net')).toContain(
      'Pool overlaps with other one on this address space',
    )
    await daemon.docker('network', 'rm', 'own')
    await docker(...create, '-d', 'tsnet-bridge', '--subnet', '10.77.0.0/29', 'net')
    await wait('one', '--network', 'net')
    await wait('two', '--network', 'net', '--ip', '10.77.0.4')
    expect([await addressOf('one'), await addressOf('two')]).toEqual(['10.77.0.2', '10.77.0.4'])
    await daemon.kill()
    await daemon.launch()
    await wait('three', '--network', 'net')
    expect(await addressOf('three')).not.toMatch(/^(10\.77\.0\.[124])?$/)
    expect(await refusal('run', '--rm', '--network', 'net', '--ip', '10.77.0.4', 'box', 'true')).toContain(
      'already in use',
    )
    await docker('rm', '-f', 'one', 'two', 'three')
    await docker('network', 'rm', 'net')
    await docker(...create, 'chosen')
    const subnet = await docker('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Subnet}}', 'chosen')
    expect(subnet).toMatch(/^\d+\.\d+\.\d+\.\d+\/\d+$/)
    await daemon.docker('network', 'create', '--subnet', '10.77.0.0/24', 'own')
    await daemon.docker('network', 'rm', 'own')
  })
})

describe("tsnet's volumes under dockerd", () => {
  it('hold data for containers of both engines, are not removed under a container, and are restored from the trash', async () => {
    await docker('volume', 'create', '-d', 'tsnet', 'data')
    await docker('run', '--rm', '-v', 'data:/d', 'box', 'sh', '-c', 'echo kept > /d/file')
    await wait('one', '-v', 'data:/d')
    expect((await daemon.docker('volume', 'rm', 'data')).stderr).toContain('in use by another engine')
    expect((await daemon.tsnet('volume', 'rename', 'data', 'other')).stderr).toContain(
      'in use by another engine',
    )
    await daemon.kill()
    await daemon.launch()
    expect((await daemon.docker('volume', 'rm', 'data')).stderr).toContain('in use by another engine')
    expect(await inside('one', 'cat /d/file')).toBe('kept')
    expect(await docker('volume', 'ls', '-q', '-f', 'driver=tsnet')).toBe('data')
    expect(await docker('volume', 'inspect', '-f', '{{.Mountpoint}}', 'data')).toBe(
      join(daemon.dataRoot, 'volumes/data/_data'),
    )
    await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
    const { stdout } = await daemon.docker('run', '--rm', '-v', 'data:/d', 'box', 'cat', '/d/file')
    expect(stdout).toBe('kept\n')
    await docker('rm', '-f', 'one')
    await docker('volume', 'rm', 'data')
    expect(await docker('volume', 'ls', '-q')).toBe('')
    expect((await daemon.tsnet('volume', 'restore', 'data')).code).toBe(0)
    expect(await docker('volume', 'ls', '-q')).toBe('data')
    expect(await docker('run', '--rm', '-v', 'data:/d', 'box', 'cat', '/d/file')).toBe('kept')
    await docker('volume', 'rm', 'data')
    expect(await refusal('volume', 'create', '-d', 'tsnet', '-o', 'colour=blue', 'bad')).toContain('colour')
  })
})

describe('tsnet plugin', () => {
  it('stop takes the sockets away and serve brings them back, where no other plugin is', async () => {
    const sockets = (): string[] => readdirSync(plugins).filter((name) => name.endsWith('.sock'))
    expect((await daemon.tsnet('plugin', 'stop')).code).toBe(0)
    expect(sockets()).toEqual([])
    await using _ = await DockerPlugin.start(plugins, 'taken', directoryVolumes(plugins))
    const taken = await daemon.tsnet('plugin', 'serve', '--socket-dir', plugins, '--name', 'taken')
    expect(taken.stderr).toContain('taken.sock is in use: another plugin listens there')
    expect(sockets()).toEqual(['taken.sock'])
    expect((await daemon.tsnet('plugin', 'serve', '--socket-dir', 'here')).stderr).toContain(
      'no absolute path',
    )
    expect((await daemon.tsnet('plugin', 'serve', '--socket-dir', plugins)).code).toBe(0)
    await docker('volume', 'create', '-d', 'tsnet', 'again')
    await docker('volume', 'rm', 'again')
  })
})
