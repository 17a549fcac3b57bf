/** tsnet-overlay: containers of two dockerds on two hosts, and of tsnet itself, on one network of the cluster. */
import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../../helpers/client.ts'
import { outside, TestCluster, underlay } from '../../helpers/cluster.ts'
import { busyboxArchive, dockerClient, run } from '../../helpers/daemon.ts'
import { DockerPlugin, pluginDirectory } from '../../helpers/docker-plugin.ts'
import { type Dockerd, startDockerd } from '../../helpers/dockerd.ts'
import { EventReader } from '../../helpers/events.ts'
import { eventually } from '../../helpers/eventually.ts'

const foreign = pluginDirectory()
const cluster = await TestCluster.start({
  hosts: 2,
  parameters: { ttl: '2' },
  flags: ['--plugin-dir', foreign],
})
const [one, other] = cluster.hosts.map((host) => new TestClient(host)) as [TestClient, TestClient]

class Host {
  readonly plugins = pluginDirectory()
  dockerd!: Dockerd

  async start(client: TestClient): Promise<void> {
    await client.tsnet('plugin', 'serve', '--socket-dir', this.plugins)
    this.dockerd = await startDockerd([], { netns: client.daemon.netns, plugins: this.plugins })
    await run(dockerClient(), ['import', '-', 'box'], { input: busyboxArchive(), env: this.#env() })
  }

  #env(): Record<string, string> {
    return { DOCKER_HOST: `unix://${this.dockerd.socket}`, DOCKER_CONFIG: this.plugins }
  }

  readonly docker = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run(dockerClient(), args, { env: this.#env() })
    if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`)
    return stdout.trim()
  }

  readonly wait = (name: string, ...args: string[]): Promise<string> =>
    this.docker('run', '-d', '--name', name, ...args, 'box', 'sleep', '600')

  readonly ping = (container: string, target: string): Promise<string> =>
    this.docker('exec', container, 'ping', '-c1', '-W2', target)

  readonly addressOf = (container: string): Promise<string> =>
    this.docker('inspect', '-f', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', container)

  async stop(): Promise<void> {
    await this.dockerd?.stop()
    rmSync(this.plugins, { recursive: true, force: true })
  }
}

const hosts = [new Host(), new Host()]
const [a, b] = hosts as [Host, Host]
const mesh = [
  'network',
  'create',
  '-d',
  'tsnet-overlay',
  '--ipam-driver',
  'tsnet',
  '--ipam-opt',
  'network=mesh',
]

beforeAll(async () => {
  await Promise.all([a.start(one), b.start(other)])
  await one.daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})

afterAll(async () => {
  await Promise.all(hosts.map((host) => host.stop()))
  await cluster.stop()
  rmSync(foreign, { recursive: true, force: true })
})

describe('tsnet-overlay under the dockerds of two hosts', () => {
  it('carries their containers, and those of tsnet, to each other and out, over a crash', async () => {
    await expect(a.docker('network', 'create', '-d', 'tsnet-overlay', 'plain')).rejects.toThrow(
      'give --ipam-driver tsnet --ipam-opt network=NAME',
    )
    // Both at once: one of them makes it for all hosts.
    await Promise.all([
      a.docker(...mesh, '--subnet', '10.201.0.0/24', 'net'),
      b.docker(...mesh, '--subnet', '10.201.0.0/24', 'net'),
    ])
    await a.wait('web', '--network', 'net', '-p', '8201:80')
    await b.wait('db', '--network', 'net')
    await one.wait('own', '--network', 'mesh')
    const [web, db, own] = [
      await a.addressOf('web'),
      await b.addressOf('db'),
      await one.addressOf('own', 'mesh'),
    ]
    expect(new Set([web, db, own]).size).toBe(3)
    await eventually(() => a.ping('web', db))
    await eventually(() => b.ping('db', web))
    await eventually(() => b.ping('db', own))
    await b.ping('db', outside.v4)
    expect(await one.refusal('network', 'rm', 'mesh')).toContain('has active endpoints')

    await other.daemon.kill()
    await a.ping('web', db)
    await other.daemon.launch()
    await eventually(() => b.ping('db', web))
    await b.wait('more', '--network', 'net')
    const more = await b.addressOf('more')
    expect([web, db, own]).not.toContain(more)
    await eventually(() => a.ping('web', more))

    const asked = ['busybox', 'nc', '-w', '2', `${underlay.v4}.11`, '8201'] as const
    await a.docker('exec', '-d', 'web', 'sh', '-c', 'while :; do echo hello | nc -l -p 80; done')
    await eventually(async () => expect(await cluster.outside(...asked)).toBe('hello\n'))
    await one.daemon.terminate()
    await b.ping('db', web)
    await one.daemon.launch()
    await b.ping('db', web)
    await eventually(async () => expect(await cluster.outside(...asked)).toBe('hello\n'))

    await one.clear()
    await Promise.all([a.docker('rm', '-f', 'web'), b.docker('rm', '-f', 'db', 'more')])
    await Promise.all([a.docker('network', 'rm', 'net'), b.docker('network', 'rm', 'net')])
    await eventually(() => one.tsnet('network', 'rm', 'mesh'))
    for (const { daemon } of [one, other])
      expect(daemon.inNetns('ip', ['-o', 'link']).match(/vxlan|veth|br-\w{12}/g)).toBeNull()
  })

  it('takes a container off whose address is another host’s meanwhile', async () => {
    await b.docker(...mesh, '--subnet', '10.201.0.0/24', 'net')
    await b.wait('db', '--network', 'net')
    const address = await b.addressOf('db')
    const events = await EventReader.open(other.daemon, { type: ['network'], event: ['fence'] })
    cluster.plug(1, false)
    await eventually(async () => expect(await one.tsnet('node', 'ls', '-q')).toBe('h1'))
    await one.wait('thief', '--network', 'mesh', '--ip', address)
    cluster.plug(1, true)
    await eventually(() => expect(events.seen).toHaveLength(1))
    expect(events.seen[0]?.Actor.Attributes).toMatchObject({
      name: 'mesh',
      reason: expect.stringMatching(/^its address .* is now that of .*h1$/),
    })
    expect(await b.docker('exec', 'db', 'ip', '-o', 'link')).not.toContain('eth0')
    await b.docker('rm', '-f', 'db')
    await b.docker('network', 'rm', 'net')
    await one.remove('thief')
    await eventually(() => one.tsnet('network', 'rm', 'mesh'))
    events.close()
  })
})

describe('a Docker plugin on the hosts of a cluster', () => {
  it('is told of all of them when it comes', async () => {
    await using plugin = await DockerPlugin.start(foreign, 'meshed', {
      'NetworkDriver.GetCapabilities': () => ({ Scope: 'global' }),
      'NetworkDriver.DiscoverNew': () => ({}),
      'NetworkDriver.DiscoverDelete': () => ({}),
    })
    const told = (): unknown[] =>
      plugin.calls
        .filter(({ method }) => method === 'NetworkDriver.DiscoverNew')
        .map(({ body }) => JSON.stringify(body))
        .sort()
    const host = (number: number, self: boolean): string => {
      const address = `${underlay.v4}.${number}`
      return JSON.stringify({
        DiscoveryType: 1,
        DiscoveryData: { Address: address, BindAddress: address, self },
      })
    }
    const all = [host(11, true), host(11, false), host(12, true), host(12, false)].sort()
    await eventually(async () => expect(told()).toEqual(all))
  })
})
