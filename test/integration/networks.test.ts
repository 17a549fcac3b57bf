import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { ask, startServer } from '../helpers/echo.ts'

const daemon = await TestDaemon.start()
const client = new TestClient(daemon)
const { docker, tsnet, refusal, inspect, remove, wait, inside, resolve, addressOf } = client

beforeAll(async () => {
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterEach(client.clear)
afterAll(() => daemon.stop())

describe('docker network create', () => {
  it('makes what it is told, and inspect tells it as Docker does', async () => {
    const id = await docker(
      ...['network', 'create', '--subnet', '10.50.0.0/16', '--ip-range', '10.50.5.0/24'],
      ...['--gateway', '10.50.0.9', '--aux-address', 'printer=10.50.5.1', '--attachable'],
      ...['--label', 'team=net', '--opt', 'com.docker.network.bridge.name=br-full', 'full'],
    )
    expect(id).toMatch(/^[0-9a-f]{64}$/)
    const network = await inspect('network', 'full')
    expect(network).toEqual({
      Name: 'full',
      Id: id,
      Created: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      Scope: 'local',
      Driver: 'bridge',
      EnableIPv4: true,
      EnableIPv6: false,
      IPAM: {
        Driver: 'default',
        Options: {},
        Config: [
          {
            Subnet: '10.50.0.0/16',
            IPRange: '10.50.5.0/24',
            Gateway: '10.50.0.9',
            AuxiliaryAddresses: { printer: '10.50.5.1' },
          },
        ],
      },
      Internal: false,
      Attachable: true,
      Ingress: false,
      ConfigFrom: { Network: '' },
      ConfigOnly: false,
      Containers: {},
      Options: { 'com.docker.network.bridge.name': 'br-full' },
      Labels: { team: 'net' },
      Status: { IPAM: { Subnets: { '10.50.0.0/16': { IPsInUse: 4, DynamicIPsAvailable: 255 } } } },
    })
    // Before API 1.50 nothing is told of use.
    const { Status: _, ...told } = network
    expect(JSON.parse(await docker('network', 'inspect', 'full'))).toEqual([expect.objectContaining(told)])
    expect(daemon.inNetns('ip', ['-br', 'addr', 'show', 'br-full'])).toContain('10.50.0.9/16')
    await wait('ranged', '--network', 'full')
    // the range's first address is a printer's
    expect(await addressOf('ranged', 'full')).toMatch(/^10\.50\.5\.(?!1$)\d+$/)
    expect(Object.values((await inspect('network', 'full')).Containers)).toEqual([
      {
        Name: 'ranged',
        EndpointID: expect.stringMatching(/^[0-9a-f]{64}$/),
        MacAddress: expect.stringMatching(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
        IPv4Address: expect.stringMatching(/^10\.50\.5\.\d+\/16$/),
        IPv6Address: '',
      },
    ])
    await remove('ranged')
    expect(await docker('network', 'rm', 'full')).toBe('full')
    expect(() => daemon.inNetns('ip', ['link', 'show', 'br-full'])).toThrow()
  })

  it('gives both families with --ipv6, and containers reach each other over both', async () => {
    await docker('network', 'create', '--ipv6', '--subnet', 'fd00:51::/64', 'six')
    await wait('six-a', '--network', 'six', '--ip6', 'fd00:51::77')
    await wait('six-b', '--network', 'six')
    const { IPAddress, GlobalIPv6Address, GlobalIPv6PrefixLen, IPv6Gateway } = (
      await inspect('container', 'six-a')
    ).NetworkSettings.Networks['six']!
    expect([GlobalIPv6Address, GlobalIPv6PrefixLen, IPv6Gateway]).toEqual(['fd00:51::77', 64, 'fd00:51::1'])
    expect(IPAddress).not.toBe('')
    expect(await inside('six-b', 'ping -6 -c1 -W2 fd00:51::77')).toContain('1 packets received')
    expect(await inside('six-b', `ping -c1 -W2 ${IPAddress}`)).toContain('1 packets received')
    expect((await resolve('six-b', 'six-a')).split(' ').sort()).toEqual([IPAddress, 'fd00:51::77'].sort())
    await remove('six-a', 'six-b')
    await docker('network', 'rm', 'six')
  })

  it('chooses a unique local IPv6 subnet when none is given', async () => {
    await docker('network', 'create', '--ipv6', 'ula')
    const { EnableIPv6, IPAM } = await inspect('network', 'ula')
    expect(EnableIPv6).toBe(true)
    const four = expect.stringMatching(/^\d+\.\d+\.\d+\.\d+\/\d+$/)
    expect(IPAM.Config.map(({ Subnet }) => Subnet)).toEqual([
      four,
      expect.stringMatching(/^fd[0-9a-f]{2}:.*\/64$/),
    ])
    await docker('network', 'rm', 'ula')
    // Scripts take the first one for that of IPv4, as in Docker.
    await docker('network', 'create', '--ipv6', '--subnet', 'fd00:98::/64', 'ula')
    const given = (await inspect('network', 'ula')).IPAM.Config.map(({ Subnet }) => Subnet)
    expect(given).toEqual([four, 'fd00:98::/64'])
    await docker('network', 'rm', 'ula')
  })

  it('names interfaces as its option says', async () => {
    await docker('network', 'create', '-o', 'com.docker.network.container_iface_prefix=lan', 'prefixed')
    expect(await docker('run', '--rm', '--network', 'prefixed', 'box', 'ls', '/sys/class/net')).toBe(
      'lan0\nlo',
    )
    await docker('network', 'rm', 'prefixed')
  })

  it('refuses what cannot be, with the reason', async () => {
    await docker('network', 'create', '--subnet', '10.52.0.0/24', 'taken')
    expect(await refusal('network', 'create', 'taken')).toContain('network with name taken already exists')
    expect(await refusal('network', 'create', '--subnet', '10.52.0.0/25', 'other')).toContain(
      'Pool overlaps with other one on this address space',
    )
    expect(await refusal('network', 'create', '--subnet', '10.53.0.1/24', 'other')).toContain(
      'it should be 10.53.0.0/24',
    )
    expect(await refusal('network', 'create', '-d', 'nothing', 'other')).toContain('nothing')
    expect(await refusal('network', 'create', '-o', 'no.such.option=1', 'other')).toContain('no.such.option')
    expect(await refusal('network', 'create', '-d', 'host', 'other')).toContain(
      'only one instance of "host" network is allowed',
    )
    expect(await refusal('network', 'create', '-d', 'null', 'other')).toContain(
      'only one instance of "null" network is allowed',
    )
    expect(await docker('network', 'ls', '-q', '--filter', 'name=other')).toBe('')
    await docker('network', 'rm', 'taken')
  })
})

describe('docker network ls', () => {
  it('lists by filter and in a format of the user', async () => {
    await docker('network', 'create', '--label', 'tier=a', 'ls-one')
    await docker('network', 'create', '--label', 'tier=b', 'ls-two')
    const list = async (...args: string[]): Promise<string[]> =>
      (await docker('network', 'ls', '--format', '{{.Name}}', ...args)).split('\n').sort()
    expect(await list()).toEqual(['bridge', 'host', 'ls-one', 'ls-two', 'none'])
    expect(await list('--filter', 'label=tier')).toEqual(['ls-one', 'ls-two'])
    expect(await list('--filter', 'label=tier=b')).toEqual(['ls-two'])
    expect(await list('--filter', 'name=ls-')).toEqual(['ls-one', 'ls-two'])
    expect(await list('--filter', 'driver=null')).toEqual(['none'])
    expect(await list('--filter', 'type=builtin')).toEqual(['bridge', 'host', 'none'])
    expect(await list('--filter', 'dangling=true')).toEqual(['ls-one', 'ls-two'])
    expect(await refusal('network', 'ls', '--filter', 'colour=red')).toContain("invalid filter 'colour'")
    expect((await daemon.tsnet('network', 'ls', '--filter', 'label=tier=a', '-q')).stdout).toMatch(
      /^[0-9a-f]{12}\n$/,
    )
    expect(await docker('network', 'rm', 'ls-one', 'ls-two')).toBe('ls-one\nls-two')
  })
})

describe('docker network rm', () => {
  it('refuses networks in use, unknown ones and those that are always there', async () => {
    await docker('network', 'create', 'busy')
    await wait('user', '--network', 'busy')
    expect(await refusal('network', 'rm', 'busy')).toMatch(/network busy has active endpoints.*user/)
    // Older clients have words of their own for it.
    expect(await refusal('network', 'rm', 'nowhere')).toMatch(
      /network nowhere not found|No such network: nowhere/,
    )
    expect(await refusal('network', 'rm', 'bridge')).toContain(
      'bridge is a pre-defined network and cannot be removed',
    )
    await docker('stop', '-t', '0', 'user')
    await docker('network', 'rm', 'busy')
    expect(await refusal('start', 'user')).toContain('not found')
    await remove('user')
  })
})

describe('addresses', () => {
  beforeAll(() => docker('network', 'create', '--subnet', '10.60.0.0/24', 'addr'))
  afterAll(() => docker('network', 'rm', 'addr'))

  it('are those asked for, in both the kernel and the answers', async () => {
    const mac = '02:00:5e:00:00:77'
    await wait('fixed', '--network', 'addr', '--ip', '10.60.0.77', '--mac-address', mac)
    expect(await inside('fixed', 'ip -o -4 addr show eth0')).toContain('10.60.0.77/24')
    expect(await inside('fixed', 'cat /sys/class/net/eth0/address')).toBe(mac)
    const settings = (await inspect('container', 'fixed')).NetworkSettings.Networks['addr']!
    expect([settings.IPAddress, settings.MacAddress]).toEqual(['10.60.0.77', mac])
    expect(settings.IPAMConfig).toEqual({ IPv4Address: '10.60.0.77' })
    await remove('fixed')
  })

  it('that are taken are refused, and the holder is named', async () => {
    await wait('holder', '--network', 'addr', '--ip', '10.60.0.5')
    const complaint = await refusal('run', '--rm', '--network', 'addr', '--ip', '10.60.0.5', 'box', 'true')
    expect(complaint).toContain('Address already in use')
    expect(complaint).toContain('holder')
    expect(await refusal('run', '--rm', '--network', 'addr', '--ip', '10.60.0.1', 'box', 'true')).toContain(
      'gateway',
    )
    expect(await refusal('run', '--rm', '--network', 'addr', '--ip', '10.61.0.5', 'box', 'true')).toContain(
      'no configured subnet',
    )
    expect(
      await refusal('run', '--rm', '--network', 'bridge', '--ip', '172.17.0.9', 'box', 'true'),
    ).toContain('user specified IP address is supported on user defined networks only')
    await remove('holder')
  })

  it('that were fixed stay reserved while the container is stopped, and after it are free', async () => {
    await wait('sleeper', '--network', 'addr', '--ip', '10.60.0.2')
    await docker('stop', '-t', '0', 'sleeper')
    await wait('dynamic', '--network', 'addr')
    expect(await addressOf('dynamic', 'addr')).not.toBe('10.60.0.2')
    expect(await refusal('run', '--rm', '--network', 'addr', '--ip', '10.60.0.2', 'box', 'true')).toContain(
      'sleeper',
    )
    await docker('start', 'sleeper')
    expect(await addressOf('sleeper', 'addr')).toBe('10.60.0.2')
    await remove('sleeper', 'dynamic')
    await wait('heir', '--network', 'addr', '--ip', '10.60.0.2')
    await remove('heir')
  })

  it('that were given out come back over stop and start', async () => {
    await wait('sticky', '--network', 'addr')
    const before = await addressOf('sticky', 'addr')
    await docker('stop', '-t', '0', 'sticky')
    expect(await addressOf('sticky', 'addr')).toBe('')
    await wait('passer', '--network', 'addr')
    await docker('start', 'sticky')
    expect(await addressOf('sticky', 'addr')).toBe(before)
    await remove('sticky', 'passer')
  })
})

describe('several networks', () => {
  const names = ['multi-a', 'multi-b', 'multi-c']
  beforeAll(async () => {
    for (const [index, name] of names.entries())
      await docker('network', 'create', '--subnet', `10.7${index}.0.0/24`, name)
  })
  afterAll(() => docker('network', 'rm', ...names))

  const interfaces = (container: string): Promise<string> =>
    inside(
      container,
      "ip -o -4 addr show | sed -n 's/^[0-9]*: \\(eth[0-9]*\\) *inet \\([^ ]*\\).*/\\1 \\2/p'",
    )
  const defaultRoute = (container: string): Promise<string> =>
    inside(container, 'ip route | grep default | sed "s/ *$//"')

  it('given to run become interfaces in their order, the first leading out', async () => {
    await wait(
      'both',
      ...['--network', 'name=multi-a,ip=10.70.0.50,alias=first', '--network', 'name=multi-b,alias=second'],
    )
    expect(await interfaces('both')).toMatch(/^eth0 10\.70\.0\.50\/24\neth1 10\.71\.0\.\d+\/24$/)
    expect(await defaultRoute('both')).toBe('default via 10.70.0.1 dev eth0')
    await wait('peer', '--network', 'multi-b')
    expect(await resolve('peer', 'second')).toBe(await addressOf('both', 'multi-b'))
    expect(await resolve('peer', 'first')).toBe('')
    await remove('both', 'peer')
  })

  it('can be joined and left while the container runs: interfaces keep their names, names change at once', async () => {
    await wait('mover', '--network', 'multi-a')
    await wait('peer', '--network', 'multi-b')
    expect(await resolve('mover', 'peer')).toBe('')
    await docker('network', 'connect', '--ip', '10.71.0.99', '--alias', 'removals', 'multi-b', 'mover')
    expect(await resolve('mover', 'peer')).toBe(await addressOf('peer', 'multi-b'))
    expect(await resolve('peer', 'removals')).toBe('10.71.0.99')
    expect(await inside('mover', 'cat /etc/hosts')).toContain('10.71.0.99')
    await docker('network', 'connect', 'multi-c', 'mover')
    expect((await interfaces('mover')).replace(/ .*/gm, '')).toBe('eth0\neth1\neth2')
    await docker('network', 'disconnect', 'multi-b', 'mover')
    expect(await resolve('peer', 'removals')).toBe('')
    expect(await inside('mover', 'cat /etc/hosts')).not.toContain('10.71.0.99')
    expect(await resolve('mover', 'peer')).toBe('')
    expect((await interfaces('mover')).replace(/ .*/gm, '')).toBe('eth0\neth2')
    expect(Object.keys((await inspect('container', 'mover')).NetworkSettings.Networks)).toEqual([
      'multi-a',
      'multi-c',
    ])
    await remove('mover', 'peer')
  })

  it('hand over the way out when the network that leads there is left', async () => {
    await wait('leaver', '--network', 'multi-a')
    await docker('network', 'connect', 'multi-b', 'leaver')
    expect(await defaultRoute('leaver')).toBe('default via 10.70.0.1 dev eth0')
    await docker('network', 'disconnect', 'multi-a', 'leaver')
    expect(await defaultRoute('leaver')).toBe('default via 10.71.0.1 dev eth1')
    await docker('network', 'connect', 'multi-c', 'leaver')
    expect(await defaultRoute('leaver')).toBe('default via 10.71.0.1 dev eth1')
    await remove('leaver')
  })

  it('can be joined and left while the container is stopped', async () => {
    await docker('create', '--name', 'stopped', '--network', 'multi-a', 'box', 'sleep', '600')
    await docker('network', 'connect', '--ip', '10.71.0.44', 'multi-b', 'stopped')
    expect(
      await refusal('run', '--rm', '--network', 'multi-b', '--ip', '10.71.0.44', 'box', 'true'),
    ).toContain('stopped')
    await docker('start', 'stopped')
    expect(await interfaces('stopped')).toMatch(/eth1 10\.71\.0\.44\/24$/)
    await docker('stop', '-t', '0', 'stopped')
    await docker('network', 'disconnect', 'multi-a', 'stopped')
    await docker('start', 'stopped')
    // An interface that has had a name keeps it.
    expect(await interfaces('stopped')).toBe('eth1 10.71.0.44/24')
    expect(await defaultRoute('stopped')).toBe('default via 10.71.0.1 dev eth1')
    await docker('network', 'disconnect', 'multi-b', 'stopped')
    await wait('heir', '--network', 'multi-b', '--ip', '10.71.0.44')
    await remove('stopped', 'heir')
  })

  it('cannot be joined twice, nor left when not joined', async () => {
    await wait('twice', '--network', 'multi-a')
    expect(await refusal('network', 'connect', 'multi-a', 'twice')).toContain(
      'already exists in network multi-a',
    )
    expect(await refusal('network', 'disconnect', 'multi-b', 'twice')).toContain(
      'is not connected to network multi-b',
    )
    expect(await refusal('network', 'connect', 'nowhere', 'twice')).toContain('network nowhere not found')
    expect(await refusal('network', 'connect', 'multi-b', 'nobody')).toContain('No such container: nobody')
    await remove('twice')
  })

  it('can take the place of none', async () => {
    await wait('alone', '--network', 'none')
    expect(await inside('alone', 'ls /sys/class/net')).toBe('lo')
    await wait('peer', '--network', 'multi-a')
    await docker('network', 'disconnect', 'none', 'alone')
    await docker('network', 'connect', 'multi-a', 'alone')
    expect(await inside('alone', `ping -c1 -W2 ${await addressOf('peer', 'multi-a')}`)).toContain(
      '1 packets received',
    )
    expect(await resolve('alone', 'peer')).toBe(await addressOf('peer', 'multi-a'))
    await remove('alone', 'peer')
  })
})

describe('names', () => {
  beforeAll(() => docker('network', 'create', '--subnet', '10.80.0.0/24', 'named'))
  afterAll(() => docker('network', 'rm', 'named'))

  it('of a container are its own, its aliases and its short id, and the address knows its name', async () => {
    const id = await wait('db', '--network', 'named', '--network-alias', 'database', '--ip', '10.80.0.10')
    await wait('web', '--network', 'named')
    for (const name of ['db', 'database', id.slice(0, 12), 'DB', 'db.named']) {
      expect(await resolve('web', name), name).toBe('10.80.0.10')
      expect(await inside('web', `ping -c1 -W2 ${name}`)).toContain('1 packets received')
    }
    expect(await inside('web', 'nslookup 10.80.0.10')).toMatch(/name = db(\.named)?\n?/)
    await docker('rename', 'db', 'store')
    expect(await resolve('web', 'store')).toBe('10.80.0.10')
    expect(await resolve('web', 'db')).toBe('')
    await remove('store')
    for (const name of ['store', 'database', id.slice(0, 12)]) expect(await resolve('web', name)).toBe('')
    await remove('web')
  })

  it('work on the default bridge too', async () => {
    await wait('plain-a')
    await wait('plain-b')
    expect(await resolve('plain-b', 'plain-a')).toBe(await addressOf('plain-a', 'bridge'))
    expect(await inside('plain-b', 'ping -c1 -W2 plain-a')).toContain('1 packets received')
    await remove('plain-a', 'plain-b')
  })

  it('of several containers with one alias are all given', async () => {
    await wait('one', '--network', 'named', '--network-alias', 'pool', '--ip', '10.80.0.21')
    await wait('two', '--network', 'named', '--network-alias', 'pool', '--ip', '10.80.0.22')
    expect((await resolve('one', 'pool')).split(' ').sort()).toEqual(['10.80.0.21', '10.80.0.22'])
    await docker('stop', '-t', '0', 'two')
    expect(await resolve('one', 'pool')).toBe('10.80.0.21')
    await remove('one', 'two')
  })

  it('do not stand in the way of a container that serves DNS itself', async () => {
    await startServer(client, 'ns', ['udp/53', 'tcp/53'], '--network', 'named', '--ip', '10.80.0.53')
    await wait('asker', '--network', 'named')
    const { SandboxKey } = (await inspect('container', 'asker')).NetworkSettings
    expect(await ask(SandboxKey, 'udp', '10.80.0.53', 53)).toMatch(/^ns /)
    expect(await ask(SandboxKey, 'tcp', '10.80.0.53', 53)).toMatch(/^ns /)
    // its own resolver still answers beside it
    expect(await resolve('ns', 'asker')).toBe(await addressOf('asker', 'named'))
    await remove('ns', 'asker')
  })
})

describe('isolation', () => {
  it('keeps networks apart, and lets an internal one reach nothing outside', async () => {
    await docker('network', 'create', '--subnet', '10.90.0.0/24', 'left')
    await docker('network', 'create', '--subnet', '10.91.0.0/24', 'right')
    await docker('network', 'create', '--internal', '--subnet', '10.92.0.0/24', 'inner')
    await wait('left-1', '--network', 'left')
    await wait('right-1', '--network', 'right')
    await wait('inner-1', '--network', 'inner')
    await wait('inner-2', '--network', 'inner')
    const reaches = async (from: string, to: string): Promise<boolean> =>
      (await daemon.docker('exec', from, 'ping', '-c1', '-W1', to)).code === 0
    const right = await addressOf('right-1', 'right')
    expect(await resolve('left-1', 'right-1')).toBe('')
    expect(await inside('inner-1', 'ip route')).not.toContain('default')
    expect(await reaches('inner-1', 'inner-2')).toBe(true)
    // not even with a route of its own
    await docker(
      'run',
      '-d',
      '--name',
      'sly',
      '--network',
      'inner',
      '--cap-add',
      'NET_ADMIN',
      'box',
      'sleep',
      '60',
    )
    await inside('sly', 'ip route add default via 10.92.0.1')
    const tries = ['left-1', 'inner-1', 'sly'].map((from) => reaches(from, right))
    expect(await Promise.all(tries)).toEqual([false, false, false])
    expect((await inspect('network', 'inner')).Internal).toBe(true)
    await remove('left-1', 'right-1', 'inner-1', 'inner-2', 'sly')
    await docker('network', 'rm', 'left', 'right', 'inner')
  })
})

describe('the networks that are always there', () => {
  it('host is the daemon’s own network, and cannot be combined', async () => {
    expect(await docker('run', '--rm', '--network', 'host', 'box', 'readlink', '/proc/self/ns/net')).toBe(
      daemon.inNetns('readlink', ['/proc/self/ns/net']).trim(),
    )
    await wait('hosted', '--network', 'host')
    expect(await refusal('network', 'connect', 'bridge', 'hosted')).toContain(
      'sharing network namespace with another container or host',
    )
    expect(await refusal('network', 'disconnect', 'host', 'hosted')).toContain('host network')
    expect(Object.values((await inspect('network', 'host')).Containers)).toHaveLength(1)
    await remove('hosted')
  })

  it('none has nothing but the loopback interface', async () => {
    expect(await docker('run', '--rm', '--network', 'none', 'box', 'ls', '/sys/class/net')).toBe('lo')
  })

  it('bridge has docker0 and the usual options', async () => {
    const { Options, IPAM, Driver } = await inspect('network', 'bridge')
    expect(Driver).toBe('bridge')
    expect(Options).toEqual({
      'com.docker.network.bridge.default_bridge': 'true',
      'com.docker.network.bridge.enable_icc': 'true',
      'com.docker.network.bridge.enable_ip_masquerade': 'true',
      'com.docker.network.bridge.host_binding_ipv4': '0.0.0.0',
      'com.docker.network.bridge.name': daemon.mark,
      'com.docker.network.driver.mtu': '1500',
    })
    expect(IPAM.Config[0]?.Subnet).toBe('172.17.0.0/16')
  })
})

describe('everything is the same through tsnet', () => {
  it('network create, connect, inspect, disconnect and rm', async () => {
    await tsnet('network', 'create', '--subnet', '10.95.0.0/24', '--internal', '--label', 'a=b', 'ours')
    await tsnet('run', '-d', '--name', 'mine', 'box', 'sleep', '600')
    await tsnet('network', 'connect', '--ip', '10.95.0.7', '--alias', 'me', 'ours', 'mine')
    const [network] = JSON.parse(await tsnet('network', 'inspect', 'ours'))
    expect(network.Internal).toBe(true)
    expect(Object.values(network.Containers)).toEqual([
      expect.objectContaining({ IPv4Address: '10.95.0.7/24' }),
    ])
    expect(await tsnet('network', 'inspect', '-f', '{{.Name}} {{index .Labels "a"}}', 'ours')).toBe('ours b')
    expect(await tsnet('exec', 'mine', 'nslookup', 'me')).toContain('10.95.0.7')
    await tsnet('network', 'disconnect', 'ours', 'mine')
    await tsnet('rm', '-f', 'mine')
    expect(await tsnet('network', 'rm', 'ours')).toBe('ours')
  })

  it('run with several networks, addresses and aliases', async () => {
    await tsnet('network', 'create', '--subnet', '10.96.0.0/24', 'one')
    await tsnet('network', 'create', '--subnet', '10.97.0.0/24', 'two')
    await tsnet(
      ...[
        'run',
        '-d',
        '--name',
        'both',
        '--network',
        'name=one,ip=10.96.0.9',
        '--network',
        'name=two,ip=10.97.0.9',
      ],
      ...['box', 'sleep', '600'],
    )
    expect(await tsnet('exec', 'both', 'ip', '-o', '-4', 'addr')).toMatch(
      /eth0 +inet 10\.96\.0\.9[\s\S]*eth1 +inet 10\.97\.0\.9/,
    )
    expect(
      await tsnet(
        'run',
        '--rm',
        '--network',
        'one',
        '--ip',
        '10.96.0.8',
        '--network-alias',
        'x',
        'box',
        'nslookup',
        'x',
      ),
    ).toContain('10.96.0.8')
    await tsnet('rm', '-f', 'both')
    await tsnet('network', 'rm', 'one', 'two')
  })
})
