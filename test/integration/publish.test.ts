import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, run, TestDaemon } from '../helpers/daemon.ts'
import { ask, nodeMounts, startServer } from '../helpers/echo.ts'
import { addNeighbour, ip } from '../helpers/neighbour.ts'

describe.each(['nftables', 'iptables'])('publishing with the %s backend', (backend) => {
  let daemon: TestDaemon
  let client: TestClient
  let host = ''
  let neighbour = ''
  const outside = (): string => `/run/netns/${neighbour}`
  const sandbox = async (name: string): Promise<string> =>
    (await client.inspect('container', name)).NetworkSettings.SandboxKey

  beforeAll(async () => {
    daemon = await TestDaemon.start(['--firewall-backend', backend])
    client = new TestClient(daemon)
    host = `/run/netns/${daemon.netns}`
    neighbour = addNeighbour(daemon)
    await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
    await client.docker('network', 'create', '--subnet', '10.40.0.0/24', 'plain')
    await client.docker(
      'network',
      'create',
      '--subnet',
      '10.41.0.0/24',
      '--ipv6',
      '--subnet',
      'fd00:41::/64',
      'other',
    )
    await client.docker(
      'network',
      'create',
      '--subnet',
      '10.46.0.0/24',
      '--ipv6',
      '--subnet',
      'fd00:46::/64',
      'dual',
    )
  })
  afterEach(() => client.clear())
  afterAll(async () => {
    ip('netns', 'del', neighbour)
    await daemon.stop()
  })

  /** Whom the server sees, by each way to its port; TCP and UDP must agree. */
  async function seenBy(
    network: string,
    ways: Readonly<Record<string, string>>,
  ): Promise<Record<string, string>> {
    const published = ['-p', '8080:80', '-p', '5353:53/udp']
    await startServer(client, 'web', ['tcp/80', 'udp/53'], '--network', network, ...published)
    await client.wait('near', '--network', network)
    await client.wait('far', '--network', 'other', '--ip', '10.41.0.9', '--ip6', 'fd00:41::9')
    const places: Record<string, string> = { outside: outside(), host }
    for (const name of ['web', 'near', 'far']) places[name] = await sandbox(name)
    const seen: Record<string, string> = {}
    for (const way of Object.keys(ways)) {
      const [from = '', to = ''] = way.split(' to ')
      const [tcp, udp] = await Promise.all([
        ask(places[from] ?? '', 'tcp', to, 8080),
        ask(places[from] ?? '', 'udp', to, 5353),
      ])
      seen[way] = tcp === udp ? tcp : `tcp: ${tcp}, udp: ${udp}`
    }
    await client.remove('web', 'near', 'far')
    return seen
  }

  // Where the address is another one than the client's: a packet from 127.0.0.1 may not leave the host; what comes back into
  // its own bridge would be answered past the host; a proxy is a client of its own.
  const ways4 = (gateway: string) => ({
    'outside to 192.0.2.1': 'web 192.0.2.2',
    'host to 192.0.2.1': 'web 192.0.2.1',
    'host to 127.0.0.1': `web ${gateway}`,
    'web to 192.0.2.1': `web ${gateway}`,
    'near to 192.0.2.1': `web ${gateway}`,
    'far to 192.0.2.1': 'web 10.41.0.9',
  })

  it('shows a container with IPv4 the address of every client that the kernel can show it', async () => {
    const ways = {
      ...ways4('10.40.0.1'),
      'outside to 2001:db8::1': 'web 10.40.0.1',
      'host to 2001:db8::1': 'web 10.40.0.1',
      'host to ::1': 'web 10.40.0.1',
      'far to 2001:db8::1': 'web 10.40.0.1',
    }
    expect(await seenBy('plain', ways)).toEqual(ways)
  })

  it('shows a container with both families the address of every client that the kernel can show it', async () => {
    const ways = {
      ...ways4('10.46.0.1'),
      'outside to 2001:db8::1': 'web 2001:db8::2',
      'host to 2001:db8::1': 'web 2001:db8::1',
      'host to ::1': 'web fd00:46::1',
      'web to 2001:db8::1': 'web fd00:46::1',
      'near to 2001:db8::1': 'web fd00:46::1',
      'far to 2001:db8::1': 'web fd00:41::9',
    }
    expect(await seenBy('dual', ways)).toEqual(ways)
    await startServer(client, 'web', ['tcp/80'], '--network', 'plain', '-p', '8080:80')
    const { Ports } = (await client.inspect('container', 'web')).NetworkSettings
    // the one that hides its clients says so
    expect(Ports['80/tcp']).toEqual([
      { HostIp: '0.0.0.0', HostPort: '8080' },
      { HostIp: '::', HostPort: '8080', Proxied: true },
    ])
  })

  it('at an interface serves those alone who come in there', async () => {
    // two interfaces do not meet
    await client.tsnet(
      'run',
      '-d',
      '--name',
      'away',
      '--network',
      'dual',
      '-p',
      'lo:8080:80',
      'box',
      'sleep',
      '600',
    )
    await startServer(client, 'web', ['tcp/80'], '--network', 'dual')
    await client.tsnet('publish', 'add', 'web', '-p', 'up0:8080:80')
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8080)).toBe('web 192.0.2.2')
    expect(await ask(outside(), 'tcp', '2001:db8::1', 8080)).toBe('web 2001:db8::2')
    expect(await ask(host, 'tcp', '127.0.0.1', 8080)).not.toMatch(/^web/)
    const { HostConfig, NetworkSettings } = await client.inspect('container', 'web')
    expect(HostConfig.PortBindings['80/tcp']).toEqual([
      { HostIp: '', HostPort: '8080', HostInterface: 'up0' },
    ])
    // what the host sends to itself comes in by lo
    await client.tsnet('publish', 'add', 'web', '-p', 'lo:8090:80', '-p', 'lo:8091-8093:79-81')
    expect(await ask(host, 'tcp', '127.0.0.1', 8090)).toBe('web 10.46.0.1')
    expect(await ask(host, 'tcp', '2001:db8::1', 8092)).toBe('web 2001:db8::1')
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8090)).toBe('ECONNREFUSED')
    await client.tsnet('publish', 'rm', 'web', '-p', 'lo:8090:80', '-p', 'lo:8091-8093:79-81')
    expect(NetworkSettings.Ports['80/tcp']).toHaveLength(2)
    const { stderr } = await daemon.tsnet('run', '--rm', '-p', 'up0:8080:80', 'box', 'true')
    expect(stderr).toContain('Bind for up0:8080 failed: port is already allocated (by container web)')
    expect(await client.refusal('run', '--rm', '-p', '8080:80', 'box', 'true')).toContain('already allocated')
  })

  it('for some clients serves nobody else, by rules or by the proxy', async () => {
    await startServer(client, 'web', ['tcp/80', 'tcp/81', 'tcp/82'], '--network', 'plain')
    await client.tsnet(
      'publish',
      'add',
      'web',
      '-p',
      '8080:80,from=192.0.2.2',
      '-p',
      '8081:81,from=198.51.100.0/24',
    )
    await client.tsnet('publish', 'add', 'web', '-p', '[::]:8082:82,from=2001:db8::2/128')
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8080)).toBe('web 192.0.2.2')
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8081)).toBe('')
    expect(await ask(outside(), 'tcp', '2001:db8::1', 8080)).toBe('ECONNREFUSED')
    expect(await ask(outside(), 'tcp', '2001:db8::1', 8082)).toBe('web 10.40.0.1')
    expect(await ask(host, 'tcp', '::1', 8082)).toBe('ECONNRESET')
    const lines = (
      await client.tsnet('ps', '--exposure', '--format', '{{.Port}} {{.Clients}}, {{.Address}}')
    ).split('\n')
    expect(lines.sort()).toEqual([
      "0.0.0.0:8080->80/tcp 192.0.2.2/32, the client's",
      "0.0.0.0:8081->81/tcp 198.51.100.0/24, the client's",
      "[::]:8082->82/tcp 2001:db8::2/128, the host's",
    ])
  })

  it('with host-policy=respect lets in whom the host lets in, while other ports go past its rules', async () => {
    const iptables = (...args: string[]): string => daemon.inNetns('iptables', args)
    await startServer(client, 'web', ['tcp/80', 'tcp/81', 'udp/82'], '--network', 'plain')
    const respectful = ['8081:81,host-policy=respect', '8082:82/udp,host-policy=respect']
    await client.tsnet(
      'publish',
      'add',
      'web',
      '-p',
      '8080:80',
      ...respectful.flatMap((port) => ['-p', port]),
    )
    const asked = async (): Promise<string[]> =>
      Promise.all([
        ask(outside(), 'tcp', '192.0.2.1', 8080),
        ask(outside(), 'tcp', '192.0.2.1', 8081),
        ask(outside(), 'udp', '192.0.2.1', 8082),
      ])
    expect(await asked()).toEqual(['web 192.0.2.2', 'web 10.40.0.1', 'web 10.40.0.1'])
    try {
      iptables('-A', 'INPUT', '-i', 'up0', '-j', 'REJECT')
      expect(await asked()).toEqual(['web 192.0.2.2', 'ECONNREFUSED', 'ECONNREFUSED'])
      iptables('-F', 'INPUT')
      iptables('-P', 'INPUT', 'DROP')
      iptables('-A', 'INPUT', '-m', 'conntrack', '--ctstate', 'ESTABLISHED', '-j', 'ACCEPT')
      expect(await asked()).toEqual(['web 192.0.2.2', '', ''])
      iptables('-A', 'INPUT', '-p', 'tcp', '--dport', '8081', '-j', 'ACCEPT')
      iptables('-A', 'INPUT', '-p', 'udp', '--dport', '8082', '-j', 'ACCEPT')
      expect(await asked()).toEqual(['web 192.0.2.2', 'web 10.40.0.1', 'web 10.40.0.1'])
      // whom the port is for comes before what the host says
      await client.tsnet('publish', 'rm', 'web', '-p', '80', '-p', '81')
      const places = ['8080:80,from=192.0.2.2', '8081:81,host-policy=respect,from=198.51.100.0/24']
      await client.tsnet('publish', 'add', 'web', ...places.flatMap((port) => ['-p', port]))
      expect(await asked()).toEqual(['web 192.0.2.2', expect.not.stringContaining('web'), 'web 10.40.0.1'])
    } finally {
      iptables('-P', 'INPUT', 'ACCEPT')
      iptables('-F', 'INPUT')
    }
    const lines = (await client.tsnet('ps', '--exposure', '--format', '{{.Port}} {{.Clients}}')).split('\n')
    expect(lines).toContain("0.0.0.0:8081->81/tcp 198.51.100.0/24, if the host's rules let them in")
    expect(lines).toContain("0.0.0.0:8082->82/udp everyone over IPv4, if the host's rules let them in")
    expect(lines).toContain('0.0.0.0:8080->80/tcp 192.0.2.2/32')
    const { HostConfig } = await client.inspect('container', 'web')
    expect(HostConfig.PortBindings['82/udp']).toEqual([
      { HostIp: '', HostPort: '8082', HostPolicy: 'respect' },
    ])
  })

  it('agrees on segments that fit the way, on a network whose MTU the user has set too high', async () => {
    await client.docker('network', 'create', '-o', 'com.docker.network.driver.mtu=1400', 'wide')
    daemon.inNetns('ip', ['route', 'add', '192.0.2.2/32', 'dev', 'up0', 'mtu', '1300'])
    const server = "require('net').createServer(() => {}).listen(80, () => console.log('ready'))"
    await client.docker(
      ...['run', '-d', '--name', 'web', '--network', 'wide', '-p', '8080:80', ...nodeMounts],
      ...['box', '/node', '-e', server],
    )
    await expect.poll(() => client.docker('logs', 'web')).toBe('ready')
    const dialler =
      "require('net').connect(8080, '192.0.2.1').on('connect', () => console.log('up')).resume()"
    const dialling = spawn('nsenter', [`--net=${outside()}`, process.execPath, '-e', dialler])
    try {
      await once(dialling.stdout, 'data')
      const { stdout } = await run('nsenter', [`--net=${await sandbox('web')}`, 'ss', '-tinH'])
      // 1300 without the headers of IP and TCP and the time stamps
      expect(/ mss:(\d+) /.exec(stdout)?.[1]).toBe('1248')
    } finally {
      dialling.kill()
      daemon.inNetns('ip', ['route', 'del', '192.0.2.2/32', 'dev', 'up0'])
      await client.remove('web')
      await client.docker('network', 'rm', 'wide')
    }
  })

  it('to a container that nothing leads to is refused while it runs', async () => {
    await client.wait('alone', '--network', 'none')
    const { code, stderr } = await daemon.tsnet('publish', 'add', 'alone', '-p', '8080:80')
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('container alone has no address to which ports could lead'),
    ])
    expect((await client.inspect('container', 'alone')).HostConfig.PortBindings).toEqual({})
  })

  it('at an address that the host does not have yet waits for it', async () => {
    const { stdout, stderr } = await daemon.docker(
      'create',
      '-p',
      '203.0.113.9:80:80',
      '-p',
      '[2001:db8::9]:80:80',
      'box',
      'true',
    )
    expect(stdout).not.toBe('')
    expect(stderr).toContain('host has no address 203.0.113.9: ports published there are reached once it has')
    expect(stderr).toContain('host has no address 2001:db8::9')
    await startServer(
      client,
      'web',
      ['tcp/80'],
      '--network',
      'plain',
      '-p',
      '203.0.113.9:80:80',
      '-p',
      '[2001:db8::9]:80:80',
    )
    ip('-n', neighbour, 'route', 'add', '203.0.113.9/32', 'via', '192.0.2.1')
    expect(await ask(outside(), 'tcp', '203.0.113.9', 80)).not.toMatch(/^web/)
    const reachedBy = async (): Promise<string[]> =>
      (await client.tsnet('ps', '--exposure', '--format', '{{.Clients}}')).split('\n').sort()
    expect(await reachedBy()).toEqual([
      'nobody until the host has 2001:db8::9',
      'nobody until the host has 203.0.113.9',
    ])
    // as at a boot, when the daemon is there before the address
    await client.docker('stop', '-t', '0', 'web')
    await daemon.kill()
    await daemon.launch()
    await client.docker('start', 'web')
    await daemon.kill()
    await daemon.launch()
    ip('-n', daemon.netns, 'addr', 'add', '203.0.113.9/32', 'dev', 'up0')
    ip('-n', daemon.netns, 'addr', 'add', '2001:db8::9/64', 'dev', 'up0', 'nodad')
    expect(await ask(outside(), 'tcp', '203.0.113.9', 80)).toBe('web 192.0.2.2')
    expect(await ask(host, 'tcp', '203.0.113.9', 80)).toMatch(/^web/)
    expect(await ask(outside(), 'tcp', '2001:db8::9', 80)).toMatch(/^web/)
    expect(await reachedBy()).toEqual(['everyone over IPv4', 'everyone over IPv6'])
    ip('-n', daemon.netns, 'addr', 'del', '203.0.113.9/32', 'dev', 'up0')
    ip('-n', daemon.netns, 'addr', 'del', '2001:db8::9/64', 'dev', 'up0')
  })

  it('comes and goes while the container runs, and what is connected stays so', async () => {
    await startServer(client, 'web', ['tcp/80', 'tcp/81', 'udp/53'], '--network', 'plain', '-p', '8080:80')
    await startServer(client, 'echo', ['talk/9000'], '--network', 'plain', '-p', '9000-9002:9000-9002')
    const talk = openTalk(outside(), '192.0.2.1', 9000)
    expect(await talk.say('one')).toBe('one')
    await client.tsnet('publish', 'rm', 'echo', '-p', '9001:9001')
    await client.tsnet('publish', 'add', 'echo', '-p', '9005:9000')
    expect(await talk.say('two')).toBe('two')
    await client.tsnet('publish', 'add', 'web', '-p', '8081:81', '-p', '5353:53/udp', '-p', '9001:80')
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8081)).toBe('web 192.0.2.2')
    expect(await ask(outside(), 'tcp', '192.0.2.1', 9001)).toBe('web 192.0.2.2')
    expect(await ask(outside(), 'udp', '192.0.2.1', 5353)).toBe('web 192.0.2.2')
    await daemon.kill()
    await daemon.launch()
    expect(await talk.say('three')).toBe('three')
    talk.end()
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8081)).toBe('web 192.0.2.2')
    expect(await client.tsnet('port', 'echo')).toBe(
      [
        '9000/tcp -> 0.0.0.0:9000',
        '9000/tcp -> 0.0.0.0:9005',
        '9000/tcp -> [::]:9000',
        '9000/tcp -> [::]:9005',
        '9002/tcp -> 0.0.0.0:9002',
        '9002/tcp -> [::]:9002',
      ].join('\n'),
    )
    await client.tsnet('publish', 'rm', 'web', '-p', '81')
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8081)).toBe('ECONNREFUSED')
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8080)).toBe('web 192.0.2.2')
    const again = await daemon.tsnet('publish', 'rm', 'web', '-p', '81')
    expect(again.stderr).toContain('container web does not publish 81/tcp there')
    // a port that somebody else has changes nothing
    const taken = await daemon.tsnet('publish', 'add', 'web', '-p', '8085:80', '-p', '9000:80')
    expect(taken.stderr).toContain(
      'Bind for 0.0.0.0:9000 failed: port is already allocated (by container echo)',
    )
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8085)).toBe('ECONNREFUSED')
    // the whole list at once, as Docker's API would have it; a host port may change its mind
    const bindings = { '81/tcp': [{ HostPort: '8080' }] }
    const { status } = await daemon.api('POST', '/containers/web/update', { PortBindings: bindings })
    expect(status).toBe(200)
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8080)).toBe('web 192.0.2.2')
    expect(await ask(outside(), 'udp', '192.0.2.1', 5353)).toBe('ECONNREFUSED')
    expect(await client.tsnet('port', 'web')).toBe('81/tcp -> 0.0.0.0:8080\n81/tcp -> [::]:8080')
    await client.docker('restart', '-t', '0', 'web')
    expect(await client.tsnet('port', 'web', '81')).toBe('0.0.0.0:8080\n[::]:8080')
    const missing = await daemon.tsnet('port', 'web', '80')
    expect(missing.stderr).toContain("no public port '80/tcp' published for web")
    const memory = await daemon.api('POST', '/containers/web/update', { Memory: 1 << 26 })
    expect(memory.status).toBe(501)
  })

  it('on a network in the mode nat-unprotected every port of a container is reached, as its exposure says', async () => {
    const mode = 'com.docker.network.bridge.gateway_mode_ipv4=nat-unprotected'
    await client.docker('network', 'create', '--subnet', '10.49.0.0/24', '-o', mode, 'bare')
    await startServer(client, 'web', ['tcp/81'], '--network', 'bare', '--ip', '10.49.0.9')
    ip('-n', neighbour, 'route', 'add', '10.49.0.0/24', 'via', '192.0.2.1')
    expect(await ask(outside(), 'tcp', '10.49.0.9', 81)).toBe('web 192.0.2.2')
    expect(await client.tsnet('ps', '--exposure', '--format', '{{.Names}} {{.Port}}, {{.Clients}}')).toBe(
      'web 10.49.0.9: every port, everyone over IPv4 with a route to it',
    )
    await client.remove('web')
    await client.docker('network', 'rm', 'bare')
  })

  it('on a network that is routed to opens the container’s own port', async () => {
    const routed = [
      '-o',
      'com.docker.network.bridge.gateway_mode_ipv4=routed',
      '-o',
      'com.docker.network.bridge.gateway_mode_ipv6=routed',
    ]
    await client.docker(
      'network',
      'create',
      '--subnet',
      '10.47.0.0/24',
      '--ipv6',
      '--subnet',
      'fd00:47::/64',
      ...routed,
      'open',
    )
    await startServer(client, 'web', ['tcp/80', 'tcp/81'], '--network', 'open', '-p', '8080:80')
    ip('-n', neighbour, 'route', 'add', '10.47.0.0/24', 'via', '192.0.2.1')
    ip('-n', neighbour, 'route', 'add', 'fd00:47::/64', 'via', '2001:db8::1')
    const address = await client.addressOf('web', 'open')
    expect(await ask(outside(), 'tcp', address, 80)).toBe('web 192.0.2.2')
    expect(await ask(outside(), 'tcp', address, 81)).toBe('')
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8080)).toBe('ECONNREFUSED')
    // as long as one of several bindings wants it
    await client.tsnet('publish', 'add', 'web', '-p', '8081:80', '-p', '82-84:79-81,from=198.51.100.0/24')
    for (const gone of ['8081:80', '82-84:79-81,from=198.51.100.0/24']) {
      await client.tsnet('publish', 'rm', 'web', '-p', gone)
      expect(await ask(outside(), 'tcp', address, 80)).toBe('web 192.0.2.2')
    }
    const { Ports } = (await client.inspect('container', 'web')).NetworkSettings
    expect(Ports['80/tcp']).toEqual([
      { HostIp: '0.0.0.0', HostPort: '' },
      { HostIp: '::', HostPort: '' },
    ])
    expect(await client.docker('ps', '--format', '{{.Ports}}')).not.toContain('8080')
    // on another network the wanted host port is had again
    await client.tsnet('network', 'connect', '--gw-priority', '1', 'dual', 'web')
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8080)).toBe('web 192.0.2.2')
    await client.docker('network', 'disconnect', 'dual', 'web')
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8080)).toBe('ECONNREFUSED')
    expect(await ask(outside(), 'tcp', address, 80)).toBe('web 192.0.2.2')
    await client.remove('web')
    await client.docker('network', 'rm', 'open')
  })

  it('lets trusted interfaces in to the container’s own published ports, and to no others', async () => {
    const trusted = ['-o', 'com.docker.network.bridge.trusted_host_interfaces=up0']
    const subnets = ['--subnet', '10.48.0.0/24', '--ipv6', '--subnet', 'fd00:48::/64']
    await client.docker('network', 'create', ...subnets, ...trusted, 'vpn')
    ip('-n', neighbour, 'route', 'add', '10.48.0.0/24', 'via', '192.0.2.1')
    ip('-n', neighbour, 'route', 'add', 'fd00:48::/64', 'via', '2001:db8::1')
    const published = ['-p', '80', '-p', '127.0.0.1:8081:81']
    const ports = ['tcp/80', 'tcp/81', 'tcp/82', 'tcp/83']
    await startServer(client, 'web', ports, '--network', 'vpn', '--ip6', 'fd00:48::7', ...published)
    await client.tsnet('publish', 'add', 'web', '-p', '8082:82,from=198.51.100.0/24')
    const address = await client.addressOf('web', 'vpn')
    const open = () => Promise.all([80, 81, 82, 83].map((port) => ask(outside(), 'tcp', address, port)))
    expect(await open()).toEqual(['web 192.0.2.2', '', '', ''])
    expect(await ask(outside(), 'tcp', 'fd00:48::7', 80)).toBe('web 2001:db8::2')
    const told = await client.tsnet('ps', '--exposure', '--format', '{{.Port}}, {{.Clients}}')
    expect(told.split('\n').filter((line) => line.includes('up0'))).toEqual([
      `${address}: 80/tcp, everyone over IPv4 by up0 with a route to it`,
      `${address}: 82/tcp, 198.51.100.0/24 by up0 with a route to it`,
      'fd00:48::7: 80/tcp, everyone over IPv6 by up0 with a route to it',
    ])
    await client.tsnet('publish', 'add', 'web', '-p', '8083:83')
    await client.tsnet('publish', 'rm', 'web', '-p', '80')
    await daemon.kill()
    await daemon.launch()
    expect(await open()).toEqual(['', '', '', 'web 192.0.2.2'])
    await client.remove('web')
    await client.docker('network', 'rm', 'vpn')
  })

  it('of ten thousand ports is quick and takes little', async () => {
    await client.docker(
      'create',
      '--name',
      'many',
      '-p',
      '20000-29999:20000-29999/udp',
      'box',
      'sleep',
      '600',
    )
    const before = rulesOf(backend)
    const memory = residentMemory(daemon.processes())
    const programs = programsIn(host)
    const start = performance.now()
    await daemon.api('POST', '/containers/many/start')
    const started = performance.now()
    await client.tsnet('ps')
    const listed = performance.now()
    expect(started - start).toBeLessThan(5_000)
    expect(listed - started).toBeLessThan(5_000)
    expect(rulesOf(backend) - before).toBeLessThanOrEqual(8)
    // the bench measures 3 MiB: this leaves room for garbage
    expect(residentMemory(daemon.processes()) - memory).toBeLessThan(40)
    expect(programsIn(host) - programs).toBeLessThan(10)
    expect(await client.docker('ps', '--format', '{{.Ports}}')).toMatch(
      /^0\.0\.0\.0:20000-29999->20000-29999\/udp, (\[::\]|::):20000-29999->20000-29999\/udp$/,
    )
  })

  /** Lines of rules and elements of sets, in both families. */
  function rulesOf(firewall: string): number {
    const text =
      firewall === 'nftables'
        ? daemon.inNetns('nft', ['list', 'ruleset'])
        : ['iptables-save', 'ip6tables-save'].map((save) => daemon.inNetns(save, [])).join('')
    return text.split('\n').length
  }
})

/** MiB that these processes have in memory. */
function residentMemory(pids: readonly number[]): number {
  const sizes = pids.map(
    (pid) => /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1],
  )
  return sizes.reduce((sum, size) => sum + Number(size), 0) / 1024
}

/** How many processes are in a network namespace. */
function programsIn(netns: string): number {
  const { ino } = statSync(netns)
  const isThere = (pid: string): boolean => {
    try {
      return statSync(`/proc/${pid}/ns/net`).ino === ino
    } catch {
      return false
    }
  }
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isThere(name)).length
}

/** A client that stays connected. */
function openTalk(netns: string, address: string, port: number) {
  const script = `const s = require('net').connect(${port}, '${address}')
    process.stdin.pipe(s).pipe(process.stdout); s.on('error', (e) => process.stdout.write(e.code))`
  const child = spawn('nsenter', [`--net=${netns}`, process.execPath, '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  return {
    async say(word: string): Promise<string> {
      child.stdin.write(word)
      const [answer] = (await once(child.stdout, 'data')) as [Buffer]
      return answer.toString()
    },
    end: () => child.kill(),
  }
}

describe.each(['nftables', 'iptables'])('with direct routing allowed, by %s', (backend) => {
  it('published ports are reached at the container’s own address too, and no others', async () => {
    await using daemon = await TestDaemon.start(['--allow-direct-routing', '--firewall-backend', backend])
    const client = new TestClient(daemon)
    const neighbour = addNeighbour(daemon)
    const outside = `/run/netns/${neighbour}`
    try {
      await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
      await client.docker('network', 'create', '--subnet', '10.48.0.0/24', 'net')
      ip('-n', neighbour, 'route', 'add', '10.48.0.0/24', 'via', '192.0.2.1')
      const published = ['-p', '8080:80', '-p', '127.0.0.1:8082:82']
      const place = ['--network', 'net', '--ip', '10.48.0.9']
      await startServer(client, 'web', ['tcp/80', 'tcp/81', 'tcp/82'], ...place, ...published)
      const asked = [80, 81, 82].map((port) => ask(outside, 'tcp', '10.48.0.9', port))
      expect(await Promise.all(asked)).toEqual(['web 192.0.2.2', '', ''])
      expect(await ask(outside, 'tcp', '192.0.2.1', 8080)).toBe('web 192.0.2.2')
      expect(await client.tsnet('ps', '--exposure', '--format', '{{.Port}}, {{.Clients}}')).toContain(
        '10.48.0.9: 80/tcp, everyone over IPv4 with a route to it',
      )
    } finally {
      ip('netns', 'del', neighbour)
    }
  })
})

describe('without the proxy', () => {
  it('only what the kernel serves is published', async () => {
    await using daemon = await TestDaemon.start(['--userland-proxy=false'])
    const client = new TestClient(daemon)
    await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
    await startServer(client, 'web', ['tcp/80'], '-p', '8080:80')
    expect(await client.tsnet('port', 'web')).toBe('80/tcp -> 0.0.0.0:8080')
    expect(await ask(`/run/netns/${daemon.netns}`, 'tcp', '127.0.0.1', 8080)).toMatch(/^web /)
    expect(await ask(`/run/netns/${daemon.netns}`, 'tcp', '::1', 8080)).toBe('ECONNREFUSED')
    expect(await client.refusal('run', '--rm', '-p', '[::1]:8081:80', 'box', 'true')).toContain(
      'tcp port on ::1 cannot be published: the container has no IPv6 address that leads out',
    )
  })
})
