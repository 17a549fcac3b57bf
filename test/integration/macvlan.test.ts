/** Networks of kind macvlan under a live daemon. What needs ipvlan, VLANs or dummies is in test/vm. */
import { execFileSync } from 'node:child_process'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'

const daemon = await TestDaemon.start()
const client = new TestClient(daemon)
const { docker, tsnet, refusal, inspect, remove, wait, inside, resolve, addressOf } = client

/** The namespace of a router at the other end of up0. */
const router = `${daemon.netns}-router`
const gateway = ['--gateway', '10.91.0.1', '--gateway', 'fd00:91::1']
const subnets = ['--subnet', '10.91.0.0/24', '--ipv6', '--subnet', 'fd00:91::/64']

beforeAll(async () => {
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
  execFileSync('ip', ['netns', 'add', router])
  ip(`link add up0 type veth peer name wire netns ${router}`)
  ip('link set up0 up')
  for (const command of [
    'addr add 10.91.0.1/24 dev wire',
    'addr add fd00:91::1/64 dev wire nodad',
    'addr add 192.0.2.1/32 dev wire',
    'link set wire up',
  ]) {
    execFileSync('ip', ['-n', router, ...command.split(' ')])
  }
})
afterEach(async () => {
  await client.clear()
  const networks = await docker('network', 'ls', '-q', '--filter', 'type=custom')
  for (const network of networks.split('\n')) if (network !== '') await docker('network', 'rm', network)
})
afterAll(async () => {
  await daemon.stop()
  execFileSync('ip', ['netns', 'del', router])
})

function ip(command: string): string {
  return daemon.inNetns('ip', command.split(' ')).trim()
}

const create = (name: string, ...more: string[]): Promise<string> =>
  docker('network', 'create', '-d', 'macvlan', '-o', 'parent=up0', ...subnets, ...more, name)

async function reaches(container: string, address: string): Promise<boolean> {
  return (await daemon.docker('exec', container, 'ping', '-c', '1', '-W', '2', address)).code === 0
}

async function hostReaches(address: string): Promise<boolean> {
  return (await daemon.exec('busybox', 'ping', '-c', '1', '-W', '2', address)).code === 0
}

const links = (): string[] =>
  (JSON.parse(ip('-j link')) as { ifname: string }[]).map(({ ifname }) => ifname).sort()

/** Where the host's routes to single containers lead. */
const hostRoutes = (): string[] =>
  `${ip('route')}\n${ip('-6 route')}`
    .split('\n')
    .filter((line) => / dev msh-/.test(line) && !/ proto kernel /.test(line))
    .map((line) => line.split(' ')[0]!)

describe('a macvlan network', () => {
  it('puts containers on the wire beside the host, with addresses of their own and names among themselves', async () => {
    await create('lan', ...gateway)
    await wait('ann', '--network', 'lan', '--ip', '10.91.0.40', '--mac-address', '02:00:00:00:00:40')
    await wait('bob', '--network', 'lan')
    expect(
      await Promise.all(['10.91.0.1', 'fd00:91::1', '192.0.2.1', 'bob'].map((to) => reaches('ann', to))),
    ).toEqual([true, true, true, true])
    expect(await resolve('bob', 'ann')).toContain('10.91.0.40')
    expect(execFileSync('ip', ['-n', router, 'neigh', 'show', '10.91.0.40'], { encoding: 'utf8' })).toContain(
      '02:00:00:00:00:40',
    )
    expect((await inspect('container', 'ann')).NetworkSettings.Networks['lan']).toMatchObject({
      Gateway: '10.91.0.1',
      IPAddress: '10.91.0.40',
      IPv6Gateway: 'fd00:91::1',
      MacAddress: '02:00:00:00:00:40',
    })
  })

  it('has no gateway unless one is given, and keeps its first address for nobody', async () => {
    await create('bare')
    const { Config } = (await inspect('network', 'bare')).IPAM
    // The client gives subnets in any order.
    expect(new Set(Config)).toEqual(new Set([{ Subnet: '10.91.0.0/24' }, { Subnet: 'fd00:91::/64' }]))
    await wait('ann', '--network', 'bare', '--ip', '10.91.0.2')
    await wait('bob', '--network', 'bare')
    expect(await addressOf('bob', 'bare')).toBe('10.91.0.1')
    expect(await inside('ann', '(ip route; ip -6 route) | grep default; true')).toBe('')
  })

  it('of several subnets of one family gives the address that is asked for, and its gateway', async () => {
    await create('wide', ...gateway, '--subnet', '10.92.0.0/24', '--gateway', '10.92.0.254')
    await wait('ann', '--network', 'wide', '--ip', '10.92.0.7')
    expect(await inside('ann', 'ip route')).toMatch(/^default via 10\.92\.0\.254 dev eth0/)
    await wait('bob', '--network', 'wide', '--ip', '10.91.0.7')
    expect(await inside('bob', 'ip route')).toMatch(/^default via 10\.91\.0\.1 dev eth0/)
  })

  it('of the inside alone has no way out', async () => {
    await create('inner', '--internal', ...gateway)
    await wait('ann', '--network', 'inner')
    expect(await inside('ann', '(ip route; ip -6 route) | grep default; true')).toBe('')
  })

  it('publishes no ports, and says so', async () => {
    await create('lan', ...gateway)
    const { stdout, stderr } = await daemon.docker(
      ...['create', '--name', 'web', '-p', '8080:80', '--network', 'lan', 'box', 'sleep', '600'],
    )
    expect(stderr).toContain('Published ports are discarded when using macvlan networks')
    await docker('start', stdout.trim())
    const { HostConfig, NetworkSettings } = await inspect('container', 'web')
    expect(HostConfig.PortBindings).toEqual({ '80/tcp': [{ HostIp: '', HostPort: '8080' }] })
    expect(NetworkSettings.Ports).toEqual({})
    expect(daemon.inNetns('ss', ['-Hltn'])).not.toContain(':8080')
  })

  it('is joined and left while a container runs, and the way out follows', async () => {
    await create('lan', ...gateway)
    await docker('network', 'create', '--subnet', '10.50.0.0/24', 'near')
    await wait('ann', '--network', 'near')
    await tsnet('network', 'connect', '--gw-priority', '9', 'lan', 'ann')
    expect(await inside('ann', 'ip route')).toMatch(/^default via 10\.91\.0\.1 dev eth1/)
    expect(await reaches('ann', '192.0.2.1')).toBe(true)
    await docker('network', 'disconnect', 'lan', 'ann')
    expect(await inside('ann', 'ls /sys/class/net')).toBe('eth0\nlo')
    expect(await inside('ann', 'ip route')).toMatch(/^default via 10\.50\.0\.1 dev eth0/)
  })

  it('refuses what cannot be in words', async () => {
    expect(await refusal('network', 'create', '-d', 'macvlan', '-o', 'parent=nope', 'x')).toContain(
      'invalid subinterface vlan name nope, example formatting is eth0.10',
    )
    expect(await refusal('network', 'create', '-d', 'macvlan', '-o', 'parent=lo', 'x')).toContain(
      'loopback interface is not a valid macvlan parent link',
    )
    expect(await docker('network', 'ls', '-q', '--filter', 'type=custom')).toBe('')
  })
})

describe('host access', () => {
  const open = ['-o', 'host-access=true', '--ip-range', '10.91.0.64/26', '--ip-range', 'fd00:91::400/118']

  it('gives the host an address of the network, a way to each container, and nothing that stays', async () => {
    const before = links()
    await create('open', ...open)
    const { Config } = (await inspect('network', 'open')).IPAM
    const host = Config.map(({ AuxiliaryAddresses }) => AuxiliaryAddresses?.['host-access'] ?? '').sort()
    expect(host).toEqual(['10.91.0.64', 'fd00:91::400'])
    await wait('ann', '--network', 'open', '--ip', '10.91.0.70', '--ip6', 'fd00:91::70')
    expect(await Promise.all(host.map((address) => reaches('ann', address)))).toEqual([true, true])
    expect(await Promise.all(['10.91.0.70', 'fd00:91::70'].map(hostReaches))).toEqual([true, true])
    expect(hostRoutes()).toEqual(['10.91.0.70', 'fd00:91::70'])
    await docker('network', 'disconnect', 'open', 'ann')
    expect(hostRoutes()).toEqual([])
    await docker('network', 'connect', '--ip', '10.91.0.71', 'open', 'ann')
    expect(await hostReaches('10.91.0.71')).toBe(true)
    await remove('ann')
    await docker('network', 'rm', 'open')
    expect([links(), hostRoutes()]).toEqual([before, []])
  })

  it('may be at an address of the user’s choice', async () => {
    await create('open', ...open, '--aux-address', 'host-access=10.91.0.200')
    await wait('ann', '--network', 'open')
    expect(await reaches('ann', '10.91.0.200')).toBe(true)
    expect(await refusal('run', '--rm', '--network', 'open', '--ip', '10.91.0.200', 'box', 'true')).toContain(
      'Address already in use: 10.91.0.200 is held by network open as its auxiliary address host-access',
    )
  })

  it('is there again after the daemon was killed, for those who still run', async () => {
    await create('open', ...open)
    for (const name of ['stays', 'ends']) await wait(name, '--network', 'open')
    const [stays, ends] = [await addressOf('stays', 'open'), await addressOf('ends', 'open')]
    const pid = Number(await docker('inspect', '-f', '{{.State.Pid}}', 'ends'))
    await daemon.kill()
    process.kill(pid, 'SIGKILL')
    ip(`route del ${stays}`)
    await daemon.launch()
    expect(hostRoutes().filter((route) => route.includes('.'))).toEqual([stays])
    expect(await hostReaches(stays)).toBe(true)
    await docker('start', 'ends')
    expect(await hostReaches(await addressOf('ends', 'open'))).toBe(true)
    expect(ends).not.toBe('')
  })

  it('comes back after a reboot', async () => {
    await create('open', ...open)
    const shim = links().find((name) => name.startsWith('msh-'))!
    await daemon.kill()
    ip(`link del ${shim}`)
    await daemon.launch()
    expect(links()).toContain(shim)
    await wait('ann', '--network', 'open', '--ip', '10.91.0.70')
    expect(await hostReaches('10.91.0.70')).toBe(true)
  })
})
