import { rmSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { DockerPlugin, directoryVolumes, pluginDirectory } from '../helpers/docker-plugin.ts'
import { countedAddresses } from '../helpers/ipam-plugin.ts'
import { bridgeNetworks } from '../helpers/network-plugin.ts'

const plugins = pluginDirectory()
const daemon = await TestDaemon.start(['--plugin-dir', plugins])
const client = new TestClient(daemon)
const { docker, inside, wait } = client
const good = bridgeNetworks({
  netns: daemon.netns,
  prefix: 'plug',
  routes: [
    { Destination: '10.88.0.0/16', RouteType: 1 },
    { Destination: '10.99.0.0/16', RouteType: 0, NextHop: '10.88.0.1' },
  ],
})
let veths: DockerPlugin

beforeAll(async () => {
  veths = await DockerPlugin.start(plugins, 'veths', good)
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterEach(async () => {
  veths.methods = good
  await client.clear()
  await docker('network', 'prune', '-f')
})
afterAll(async () => {
  await daemon.stop()
  await veths.stop()
  rmSync(plugins, { recursive: true, force: true })
})

const links = (): string[] =>
  daemon
    .inNetns('ip', ['-o', 'link'])
    .split('\n')
    .flatMap((line) => /^\d+: (p[bhc][0-9a-f]+)/.exec(line)?.[1] ?? [])

describe('networks of a Docker plugin', () => {
  it('hold what the plugin makes, named, addressed and routed as it says, over a restart of the daemon', async () => {
    await docker('network', 'create', '-d', 'veths', '--subnet', '10.77.0.0/24', '-o', 'colour=blue', 'net')
    const created = veths.calls.find(({ method }) => method === 'NetworkDriver.CreateNetwork')!
    expect(created.body).toMatchObject({
      Options: { 'com.docker.network.generic': { colour: 'blue' }, 'com.docker.network.enable_ipv6': false },
      IPv4Data: [{ AddressSpace: 'LocalDefault', Pool: '10.77.0.0/24', Gateway: '10.77.0.1/24' }],
    })
    await wait('one', '--network', 'net', '-p', '8080:80')
    await wait('two', '--network', 'net', '--ip', '10.77.0.9')
    expect(await inside('one', 'ip -o -4 addr show plug0')).toContain('10.77.0.2/24')
    const routes = await inside('one', 'ip route')
    expect(routes).toContain('default via 10.77.0.1 dev plug0')
    expect(routes).toContain('10.88.0.0/16 dev plug0')
    expect(routes).toContain('10.99.0.0/16 via 10.88.0.1 dev plug0')
    await inside('one', 'ping -c 1 -W 2 two')
    await inside('two', 'ping -c 1 -W 2 10.77.0.1')
    const outside = veths.calls.find(({ method }) => method.endsWith('ProgramExternalConnectivity'))!
    expect(outside.body['Options']).toMatchObject({
      'com.docker.network.portmap': [{ Proto: 6, Port: 80, HostPort: 8080, HostPortEnd: 8080 }],
    })
    veths.told()
    await daemon.kill()
    await daemon.launch()
    await inside('one', 'ping -c 1 -W 2 two')
    expect(veths.told().filter((method) => method !== 'Plugin.Activate')).toEqual([])
    await client.remove('one', 'two')
    expect(veths.told().filter((method) => method.endsWith('DeleteEndpoint'))).toHaveLength(2)
    expect(links()).toHaveLength(1)
    await docker('network', 'rm', 'net')
    expect(links()).toEqual([])
  })

  it('are told of ports that change, tell of their endpoints, and have no gateway where they want none', async () => {
    await using told = await DockerPlugin.start(plugins, 'talkative', {
      ...good,
      'NetworkDriver.GetCapabilities': () => ({ Scope: 'local', GwAllocChecker: true }),
      'NetworkDriver.GwAllocCheck': () => ({ SkipIPv4: true }),
      'NetworkDriver.Join': async (body, response) => ({
        ...(await good['NetworkDriver.Join']!(body, response)),
        Gateway: '10.78.0.9',
        StaticRoutes: [],
      }),
      'NetworkDriver.EndpointOperInfo': () => ({ Value: { lane: 7 } }),
    })
    await docker(
      'network',
      'create',
      '-d',
      'talkative',
      '--subnet',
      '10.78.0.0/24',
      '--ip-range',
      '10.78.0.0/28',
      'net',
    )
    const asked = (verb: string) => told.calls.filter(({ method }) => method === `NetworkDriver.${verb}`)
    expect(asked('GwAllocCheck')[0]!.body).toMatchObject({
      Options: { 'com.docker.network.enable_ipv4': true },
    })
    expect(asked('CreateNetwork')[0]!.body).toMatchObject({ IPv4Data: [{ Gateway: '' }] })
    await wait('one', '--network', 'net', '-p', '8080:80')
    expect(await client.addressOf('one', 'net')).toBe('10.78.0.1')
    const { NetworkSettings } = await client.inspect('container', 'one')
    expect(NetworkSettings.Networks['net']).toMatchObject({ DriverInfo: { lane: 7 } })
    await client.tsnet('publish', 'add', '-p', '8081:81', 'one')
    expect(asked('RevokeExternalConnectivity')).toHaveLength(1)
    expect(asked('ProgramExternalConnectivity').at(-1)!.body['Options']).toMatchObject({
      'com.docker.network.portmap': [
        { Port: 80, HostPort: 8080 },
        { Port: 81, HostPort: 8081 },
      ],
    })
    told.methods = {
      ...told.methods,
      'NetworkDriver.ProgramExternalConnectivity': ({ Options: options }) =>
        JSON.stringify(options).includes('8082') ? { Err: 'no more' } : {},
    }
    const refused = await daemon.tsnet('publish', 'add', '-p', '8082:82', 'one')
    expect(refused.stderr).toContain('driver talkative: no more')
    expect(JSON.stringify(asked('ProgramExternalConnectivity').at(-1)!.body)).not.toContain('8082')
    await client.remove('one')
    await docker('network', 'rm', 'net')
  })

  it('are not made when the plugin refuses, and a start that it spoils leaves nothing', async () => {
    expect(await client.refusal('network', 'create', '-d', 'veths', '-o', 'refuse=1', 'net')).toContain(
      'driver veths: this network is refused',
    )
    await docker('network', 'create', '-d', 'veths', 'net')
    for (const spoil of [
      { 'NetworkDriver.Join': () => ({ InterfaceName: { SrcName: 'nowhere' } }) },
      { 'NetworkDriver.Join': () => ({ Err: 'no room' }) },
      { 'NetworkDriver.CreateEndpoint': () => ({ Interface: { Address: '10.1.1.1/24' } }) },
    ]) {
      veths.methods = { ...good, ...spoil }
      expect(await client.refusal('run', '--rm', '--network', 'net', 'box', 'true')).toContain(
        'driver veths: ',
      )
    }
    expect(links()).toHaveLength(1)
  })

  it('of a plugin that hangs or is dead delay no list, no other start and no start of the daemon', async () => {
    await docker('network', 'create', '-d', 'veths', 'net')
    await wait('one', '--network', 'net')
    const hang = (): undefined => undefined
    veths.methods = Object.fromEntries(Object.keys(good).map((method) => [method, hang]))
    const stuck = daemon.docker('run', '--rm', '--network', 'net', 'box', 'true')
    const began = performance.now()
    await docker('ps', '-a')
    await docker('network', 'ls')
    await docker('network', 'inspect', 'net')
    await docker('volume', 'ls')
    await docker('run', '--rm', 'box', 'true')
    await daemon.kill()
    await stuck
    await veths.stop()
    await daemon.launch()
    await docker('network', 'inspect', 'net')
    expect(await inside('one', 'ip -o link show plug0')).toContain('plug0')
    await client.remove('one')
    expect(performance.now() - began).toBeLessThan(15_000)
    await veths.listen()
  })
})

describe('addresses of a Docker plugin', () => {
  it('are given out by it, kept over stops and restarts, and given back', async () => {
    await using counted = await DockerPlugin.start(plugins, 'counted', countedAddresses())
    await docker('network', 'create', '--ipam-driver', 'counted', 'chosen')
    const { IPAM } = await client.inspect('network', 'chosen')
    expect(IPAM.Config).toEqual([{ Subnet: '10.200.0.0/29', Gateway: '10.200.0.1' }])
    await docker('network', 'rm', 'chosen')
    counted.told()
    await docker('network', 'create', '--ipam-driver', 'counted', '--subnet', '10.200.0.0/29', 'net')
    await wait('one', '--network', 'net')
    await wait('two', '--network', 'net', '--ip', '10.200.0.5')
    expect(await client.addressOf('one', 'net')).toBe('10.200.0.2')
    expect(await client.addressOf('two', 'net')).toBe('10.200.0.5')
    counted.told()
    await daemon.kill()
    await daemon.launch()
    await docker('restart', '-t', '0', 'one')
    expect(await client.addressOf('one', 'net')).toBe('10.200.0.2')
    expect(counted.told().filter((method) => method !== 'Plugin.Activate')).toEqual([])
    expect(await client.refusal('run', '--network', 'net', '--ip', '10.200.0.5', 'box', 'true')).toContain(
      'already in use',
    )
    await client.clear()
    await docker('network', 'rm', 'net')
    expect(counted.told().filter((method) => method.endsWith('ReleaseAddress'))).toHaveLength(3)
    expect(await client.refusal('network', 'create', '--ipam-driver', 'counted', '--ipv6', 'six')).toContain(
      'driver counted: there is IPv4 here alone',
    )
  })
})

describe('what a plugin leaves behind that is gone for good', () => {
  it('can be removed', async () => {
    const root = `${daemon.root}/left`
    const methods = { ...good, ...countedAddresses(), ...directoryVolumes(root) }
    const gone = await DockerPlugin.start(plugins, 'gone', methods)
    await docker('network', 'create', '-d', 'gone', '--ipam-driver', 'gone', 'net')
    await docker('volume', 'create', '-d', 'gone', 'data')
    await wait('user', '--network', 'net', '-v', 'data:/data')
    await gone.stop()
    await client.remove('user')
    expect(await docker('ps', '-aq')).toBe('')
    expect(await client.refusal('volume', 'rm', 'data')).toContain('driver gone: there is neither gone.sock')
    expect(JSON.parse(await docker('volume', 'inspect', 'data'))[0].Status).toMatchObject({
      trouble: expect.stringContaining('driver gone: '),
    })
    await docker('volume', 'rm', '-f', 'data')
    await docker('network', 'rm', 'net')
    expect(await docker('volume', 'ls', '-q')).toBe('')
    expect(await client.refusal('volume', 'create', '-d', 'never', 'more')).toContain(
      'error looking up volume plugin never: plugin "never" not found',
    )
  })
})

describe('a volume plugin', () => {
  it('may ask the daemon anything while it is asked itself', async () => {
    const methods = directoryVolumes(`${daemon.root}/volumes`)
    const answers: number[] = []
    const ask = async (path: string): Promise<void> => {
      answers.push((await daemon.api('GET', path)).status)
    }
    await using _plugin = await DockerPlugin.start(plugins, 'curious', {
      ...methods,
      'VolumeDriver.Mount': async (body, response) => {
        for (const path of ['/volumes', '/volumes/data', '/containers/json?all=1', '/networks', '/info'])
          await ask(path)
        return methods['VolumeDriver.Mount']!(body, response)
      },
    })
    await docker('volume', 'create', '-d', 'curious', 'data')
    expect(
      await docker('run', '--rm', '-v', 'data:/data', 'box', 'sh', '-c', 'echo hi > /data/f; cat /data/f'),
    ).toBe('hi')
    expect(answers).toEqual([200, 200, 200, 200, 200])
    await docker('volume', 'rm', 'data')
  })
})
