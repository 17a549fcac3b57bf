import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { ask, startServer } from '../helpers/echo.ts'
import { addNeighbour, ip } from '../helpers/neighbour.ts'

describe.each(['nftables', 'iptables'])('ports published with the %s backend', (backend) => {
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
    await client.docker('network', 'create', '--subnet', '10.41.0.0/24', 'other')
    await client.docker(
      'network',
      'create',
      '--ipv6',
      '--subnet',
      '10.46.0.0/24',
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

  it('are reached from everywhere, and outside clients keep their address', async () => {
    await startServer(
      client,
      'web',
      ['tcp/80', 'udp/53'],
      '--network',
      'plain',
      '-p',
      '8080:80',
      '-p',
      '5353:53/udp',
    )
    const address = await client.addressOf('web', 'plain')
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8080)).toBe('web 192.0.2.2')
    expect(await ask(outside(), 'udp', '192.0.2.1', 5353)).toBe('web 192.0.2.2')
    for (const own of ['127.0.0.1', '::1', '192.0.2.1', '2001:db8::1']) {
      expect(await ask(host, 'tcp', own, 8080), own).toMatch(/^web /)
      expect(await ask(host, 'udp', own, 5353), own).toMatch(/^web /)
    }
    expect(await ask(outside(), 'tcp', '2001:db8::1', 8080)).toMatch(/^web /)
    // what is not published is not reached, not even by who knows the way
    ip('-n', neighbour, 'route', 'add', '10.40.0.0/24', 'via', '192.0.2.1')
    expect(await ask(outside(), 'tcp', address, 80)).toBe('')
    ip('-n', neighbour, 'route', 'del', '10.40.0.0/24')
    await client.remove('web')
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8080)).toBe('ECONNREFUSED')
  })

  it('are reached by containers: its own, its neighbours and those of other networks', async () => {
    await startServer(
      client,
      'web',
      ['tcp/80', 'udp/53'],
      '--network',
      'plain',
      '-p',
      '8080:80',
      '-p',
      '5353:53/udp',
    )
    await client.wait('near', '--network', 'plain')
    await client.wait('far', '--network', 'other')
    for (const name of ['web', 'near', 'far']) {
      const netns = await sandbox(name)
      expect(await ask(netns, 'tcp', '192.0.2.1', 8080), name).toMatch(/^web /)
      expect(await ask(netns, 'udp', '192.0.2.1', 5353), name).toMatch(/^web /)
    }
    expect(await ask(await sandbox('far'), 'tcp', '10.41.0.1', 8080)).toMatch(/^web /)
    expect(await ask(await sandbox('far'), 'tcp', await client.addressOf('web', 'plain'), 80)).toBe('')
    await client.remove('web', 'near', 'far')
  })

  it('lead to both families where the container has both', async () => {
    await startServer(client, 'six', ['tcp/80'], '--network', 'dual', '-p', '8080:80')
    expect(await ask(outside(), 'tcp', '2001:db8::1', 8080)).toBe('six 2001:db8::2')
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8080)).toBe('six 192.0.2.2')
    expect(await ask(host, 'tcp', '::1', 8080)).toMatch(/^six /)
    await client.remove('six')
  })

  it('can be had at one address of the host', async () => {
    await startServer(
      client,
      'web',
      ['tcp/80', 'tcp/81', 'tcp/82'],
      ...['--network', 'plain', '-p', '127.0.0.1:8080:80', '-p', '[::1]:8081:81', '-p', '192.0.2.1::82'],
    )
    expect(await ask(host, 'tcp', '127.0.0.1', 8080)).toMatch(/^web /)
    expect(await ask(host, 'tcp', '192.0.2.1', 8080)).toBe('ECONNREFUSED')
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8080)).toBe('ECONNREFUSED')
    expect(await ask(host, 'tcp', '::1', 8081)).toMatch(/^web /)
    expect(await ask(host, 'tcp', '127.0.0.1', 8081)).toBe('ECONNREFUSED')
    const { Ports } = (await client.inspect('container', 'web')).NetworkSettings
    expect(Ports['80/tcp']).toEqual([{ HostIp: '127.0.0.1', HostPort: '8080' }])
    expect(Ports['81/tcp']).toEqual([{ HostIp: '::1', HostPort: '8081', Proxied: true }])
    expect(Ports['82/tcp']).toEqual([{ HostIp: '192.0.2.1', HostPort: expect.stringMatching(/^\d+$/) }])
    expect(await ask(outside(), 'tcp', '192.0.2.1', Number(Ports['82/tcp']?.[0]?.HostPort))).toBe(
      'web 192.0.2.2',
    )
    await client.remove('web')
  })

  it('of the loopback address cannot be reached by a neighbour who routes it here', async () => {
    await startServer(client, 'web', ['tcp/80'], '--network', 'plain', '-p', '127.0.0.1:8080:80')
    const netns = `${neighbour}-lo`
    ip('netns', 'add', netns)
    try {
      ip('link', 'add', 'in0', 'netns', daemon.netns, 'type', 'veth', 'peer', 'name', 'sly0', 'netns', netns)
      ip('-n', daemon.netns, 'addr', 'add', '198.51.100.1/24', 'dev', 'in0')
      ip('-n', daemon.netns, 'link', 'set', 'in0', 'up')
      ip('-n', netns, 'addr', 'add', '198.51.100.2/24', 'dev', 'sly0')
      ip('-n', netns, 'link', 'set', 'sly0', 'up')
      ip('-n', netns, 'route', 'add', '127.0.0.1/32', 'via', '198.51.100.1', 'src', '198.51.100.2')
      execFileSync('nsenter', [
        `--net=/run/netns/${netns}`,
        'sh',
        '-c',
        'echo 1 > /proc/sys/net/ipv4/conf/sly0/route_localnet',
      ])
      expect(await ask(`/run/netns/${netns}`, 'tcp', '127.0.0.1', 8080)).toBe('')
    } finally {
      ip('netns', 'del', netns)
    }
    await client.remove('web')
  })

  it('may be chosen by tsnet, one by one or all that are exposed', async () => {
    await startServer(
      client,
      'web',
      ['tcp/80', 'tcp/90', 'udp/91'],
      '--network',
      'plain',
      '-p',
      '80',
      '-P',
      '--expose',
      '90',
      '--expose',
      '91/udp',
    )
    const { Ports } = (await client.inspect('container', 'web')).NetworkSettings
    expect(Object.keys(Ports).sort()).toEqual(['80/tcp', '90/tcp', '91/udp'])
    for (const port of ['80/tcp', '90/tcp', '91/udp'] as const) {
      const [number, protocol] = port.split('/') as [string, 'tcp' | 'udp']
      const [v4, v6] = Ports[port] ?? []
      expect([v4?.HostIp, v6?.HostIp]).toEqual(['0.0.0.0', '::'])
      expect(v4?.HostPort).toBe(v6?.HostPort)
      expect(await ask(outside(), protocol, '192.0.2.1', Number(v4?.HostPort)), number).toBe('web 192.0.2.2')
    }
    const first = Ports['80/tcp']?.[0]?.HostPort
    // Older clients write IPv6 addresses without brackets.
    expect(await client.docker('port', 'web', '80')).toMatch(
      new RegExp(`^0\\.0\\.0\\.0:${first}\\n(\\[::\\]|::):${first}$`),
    )
    await client.remove('web')
  })

  it('may be ranges, and one of a range', async () => {
    await startServer(
      client,
      'web',
      ['tcp/8000', 'tcp/8010'],
      '--network',
      'plain',
      '-p',
      '8000-8010:8000-8010',
      '-p',
      '9000-9002:80',
    )
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8000)).toBe('web 192.0.2.2')
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8010)).toBe('web 192.0.2.2')
    await client.wait('next', '-p', '9000-9002:80')
    expect(await client.docker('port', 'web', '80')).toContain('0.0.0.0:9000')
    expect(await client.docker('port', 'next', '80')).toContain('0.0.0.0:9001')
    const listed = await client.docker('ps', '--format', '{{.Names}} {{.Ports}}')
    expect(listed).toContain('0.0.0.0:8000-8010->8000-8010/tcp')
    expect(listed).toMatch(/^next 0\.0\.0\.0:9001->80\/tcp, (\[::\]|::):9001->80\/tcp$/m)
    await client.remove('web', 'next')
  })

  it('may be a thousand, for less than half a second of processor time', async () => {
    const before = daemon.processorTime()
    await client.docker('create', '--name', 'many', '-p', '20000-20999:20000-20999', 'box', 'sleep', '600')
    await client.docker('start', 'many')
    expect(daemon.processorTime() - before).toBeLessThan(500)
    expect(await client.docker('ps', '--format', '{{.Ports}}')).toContain(
      '0.0.0.0:20000-20999->20000-20999/tcp',
    )
    await client.remove('many')
  })

  it('that are taken are refused with the name of who has them', async () => {
    await client.wait('holder', '-p', '8080:80')
    const complaint = await client.refusal('run', '--rm', '-p', '8080:80', 'box', 'true')
    expect(complaint).toContain('Bind for 0.0.0.0:8080 failed: port is already allocated')
    expect(complaint).toContain('holder')
    await client.remove('holder')
    const script = "require('net').createServer().listen(8080, '0.0.0.0', () => console.log('up'))"
    const other = spawn('nsenter', [`--net=${host}`, process.execPath, '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(other.stdout, 'data')
    expect(await client.refusal('run', '--rm', '-p', '8080:80', 'box', 'true')).toMatch(
      /failed to bind host port 0\.0\.0\.0:8080\/tcp: address already in use.*node/,
    )
    other.kill()
    await once(other, 'exit')
    await client.wait('heir', '-p', '8080:80')
    await client.remove('heir')
    expect(daemon.inNetns('ss', ['-Hltnu'])).not.toContain(':8080')
  })

  it('of sctp work where the kernel has it and are refused in words where not', async () => {
    const { code, stderr } = await daemon.docker(
      'run',
      '-d',
      '--name',
      'sc',
      '-p',
      '9999:9999/sctp',
      'box',
      'sleep',
      '9',
    )
    if (code === 0) expect(await client.docker('port', 'sc')).toContain('9999/sctp')
    else expect(stderr).toContain('sctp')
    await daemon.docker('rm', '-f', 'sc')
  })

  it('are refused when they make no sense', async () => {
    const { code, stderr } = await daemon.tsnet('run', '--rm', '-p', 'eth7:8080:80', 'box', 'true')
    expect(code).toBe(125)
    expect(stderr).toContain('failed to bind host port eth7:8080/tcp: the host has no interface eth7')
    const answer = await daemon.api('POST', '/containers/create', {
      Image: 'box',
      Cmd: ['true'],
      HostConfig: { PortBindings: { '80/icmp': [{ HostPort: '1' }] } },
    })
    expect(answer.status).toBe(400)
  })

  it('follow the container from network to network', async () => {
    await startServer(client, 'mover', ['tcp/80'], '--network', 'plain', '-p', '8080:80')
    await client.docker('network', 'connect', 'other', 'mover')
    await client.docker('network', 'disconnect', 'plain', 'mover')
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8080)).toBe('mover 192.0.2.2')
    expect(await ask(host, 'tcp', '::1', 8080)).toMatch(/^mover /)
    // a new daemon leads them the same way, its proxies too
    await daemon.terminate()
    await daemon.launch()
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8080)).toBe('mover 192.0.2.2')
    expect(await ask(host, 'tcp', '::1', 8080)).toMatch(/^mover /)
    await client.docker('network', 'disconnect', 'other', 'mover')
    expect((await client.inspect('container', 'mover')).NetworkSettings.Ports).toEqual({})
    await client.docker('network', 'connect', 'plain', 'mover')
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8080)).toBe('mover 192.0.2.2')
    await client.remove('mover')
  })

  it('of tsnet’s choice for a port that has a fixed one too stay with it, and go by themselves', async () => {
    await client.wait('twice', '--network', 'plain', '-p', '8080:80', '-p', '80', '-p', '80')
    const before = await client.tsnet('port', 'twice')
    expect(before.split('\n')).toHaveLength(6)
    await client.docker('network', 'connect', 'other', 'twice')
    await client.docker('network', 'disconnect', 'plain', 'twice')
    expect(await client.tsnet('port', 'twice')).toBe(before)
    await client.tsnet('publish', 'rm', 'twice', '-p', '80')
    expect(await client.tsnet('port', 'twice')).toBe('')
    expect(await client.docker('run', '--rm', '-p', '8080:80', 'box', 'echo', 'free')).toBe('free')
    await client.remove('twice')
  })

  it('of a container on an internal network wait for a network that leads out', async () => {
    await client.docker('network', 'create', '--internal', 'inner')
    await startServer(client, 'shy', ['tcp/80'], '--network', 'inner', '-p', '8080:80')
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8080)).toBe('ECONNREFUSED')
    await client.docker('network', 'connect', 'plain', 'shy')
    expect(await ask(outside(), 'tcp', '192.0.2.1', 8080)).toBe('shy 192.0.2.2')
    await daemon.terminate()
    await daemon.launch()
    expect(await ask(host, 'tcp', '::1', 8080)).toMatch(/^shy /)
    await client.remove('shy')
    await client.docker('network', 'rm', 'inner')
  })

  it('of udp lead clients that go on sending from one port to the new container', async () => {
    const hosts = ['192.0.2.1', '2001:db8::1']
    const send = (): Promise<string[]> =>
      Promise.all(hosts.map((address, index) => ask(outside(), 'udp', address, 5353, 40_000 + index)))
    const start = (name: string, last: number): Promise<void> =>
      startServer(
        client,
        name,
        ['udp/53'],
        ...['--network', 'dual', '--ip', `10.46.0.${last}`, '--ip6', `fd00:46::${last}`, '-p', '5353:53/udp'],
      )
    await start('old', 100)
    expect(await send()).toEqual(['old 192.0.2.2', 'old 2001:db8::2'])
    await client.remove('old')
    // while nobody has the port, the flow is remembered as one to the host itself
    await send()
    await start('new', 101)
    expect(await send()).toEqual(['new 192.0.2.2', 'new 2001:db8::2'])
    await client.remove('new')
  })

  it('that outgoing connections may get come with a warning, unless they are kept from these', async () => {
    const create = ['create', '--name', 'warned', '-p', '40123:80', 'box', 'true']
    expect((await daemon.docker(...create)).stderr).toContain(
      'host port 40123/tcp is one of those that outgoing connections get (32768-60999): sysctl net.ipv4.ip_local_reserved_ports=40123 keeps it free',
    )
    await client.remove('warned')
    daemon.inNetns('sysctl', ['-qw', 'net.ipv4.ip_local_reserved_ports=40123'])
    expect((await daemon.docker(...create)).stderr).toBe('')
    daemon.inNetns('sysctl', ['-qw', 'net.ipv4.ip_local_reserved_ports='])
    await client.remove('warned')
  })

  it('work the same through tsnet', async () => {
    await client.tsnet(
      'run',
      '-d',
      '--name',
      'ours',
      '-p',
      '8080:80',
      '-p',
      '127.0.0.1:9000-9001:90-91/udp',
      'box',
      'sleep',
      '600',
    )

    expect(await client.tsnet('ps', '--format', '{{.Ports}}')).toBe(
      '0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 127.0.0.1:9000->90/udp, 127.0.0.1:9001->91/udp',
    )
    await client.tsnet('publish', 'add', 'ours', '-p', '7080:80', '-p', '[::ffff:127.0.0.1]:443:443')
    for (const words of [['ours'], ['ours', '80'], ['ours', '90/udp']]) {
      expect(lines(await client.tsnet('port', ...words))).toEqual(
        lines(await client.docker('port', ...words)),
      )
    }
    expect(await client.tsnet('port', 'ours', '443')).toBe('127.0.0.1:443')
    await client.tsnet('rm', '-f', 'ours')
  })
})

/** Docker's older clients have no order, and no brackets around addresses. */
function lines(text: string): string[] {
  return text
    .replace(/(^|-> )::(?=:)/gm, '$1[::]')
    .split('\n')
    .sort()
}

/** Two machines on a bridge of the host's own, and one to which it forwards what they send; they go with the handle. */
function addMachines({ netns }: TestDaemon): Disposable & { expectTraffic(): void } {
  const [one, two, far] = ['one', 'two', 'far'].map((name) => `${netns}-${name}`) as [string, string, string]
  ip('-n', netns, 'link', 'add', 'br-vm', 'type', 'bridge')
  ip('-n', netns, 'addr', 'add', '10.88.0.1/24', 'dev', 'br-vm')
  ip('-n', netns, 'link', 'set', 'br-vm', 'up')
  for (const [index, machine] of [one, two, far].entries()) {
    const link = `vm${index}`
    ip('netns', 'add', machine)
    ip('link', 'add', link, 'netns', netns, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', machine)
    const subnet = machine === far ? '10.89.0' : '10.88.0'
    ip('-n', machine, 'addr', 'add', `${subnet}.${index + 2}/24`, 'dev', 'eth0')
    ip('-n', machine, 'link', 'set', 'eth0', 'up')
    ip('-n', machine, 'route', 'add', 'default', 'via', `${subnet}.1`)
    if (machine === far) ip('-n', netns, 'addr', 'add', '10.89.0.1/24', 'dev', link)
    else ip('-n', netns, 'link', 'set', link, 'master', 'br-vm')
    ip('-n', netns, 'link', 'set', link, 'up')
  }
  ip('netns', 'exec', netns, 'sysctl', '-qw', 'net.ipv4.ip_forward=1')
  const ping = (from: string, to: string): string =>
    ip('netns', 'exec', from, 'busybox', 'ping', '-c', '1', '-W', '2', to)
  return {
    expectTraffic() {
      for (const [from, to] of [
        [one, '10.88.0.3'],
        [one, '10.89.0.4'],
        [far, '10.88.0.3'],
      ] as const)
        expect(ping(from, to)).toContain('1 packets received')
    },
    [Symbol.dispose]() {
      for (const machine of [one, two, far]) ip('netns', 'del', machine)
    },
  }
}

describe.each(['nftables', 'iptables'])(
  'what others have on the host of a daemon with the %s backend',
  (backend) => {
    const tableOf = (daemon: TestDaemon): string => daemon.inNetns('nft', ['list', 'table', 'inet', 'theirs'])

    /** What stands without numbers that count packets, handles and times. */
    const rulesOf = (daemon: TestDaemon): string =>
      ['iptables-save', 'ip6tables-save']
        .map((save) => daemon.inNetns(save, []))
        .concat(tableOf(daemon))
        .join('')
        .replaceAll(/^#.*\n|\[\d+:\d+\]/gm, '')
        // a table that nobody uses any more
        .replaceAll(/^\*.*\n(:\w+ ACCEPT \n)+COMMIT\n/gm, '')

    const linksOf = (daemon: TestDaemon): string =>
      daemon.inNetns('ip', ['-br', 'link']).replaceAll(/ .*/g, '').trim()

    it('stays as it is through the daemon’s whole life, rules, bridges and forwarding, and nothing is left after it', async () => {
      await using daemon = await TestDaemon.start(['--firewall-backend', backend])
      await daemon.terminate()
      expect(linksOf(daemon)).toBe('lo')
      using machines = addMachines(daemon)
      const links = linksOf(daemon)
      machines.expectTraffic()
      const theirs = `table inet theirs {
      set friends { type ipv4_addr; flags interval; elements = { 203.0.113.0/24 }; }
      chain input { type filter hook input priority 5; policy accept; ip saddr @friends accept; }
      chain forward { type filter hook forward priority 5; policy accept; tcp dport 25 drop; }
    }`
      daemon.inNetns('sh', ['-c', `echo '${theirs}' | nft -f -`])
      for (const rule of [
        '-N MINE',
        '-A MINE -s 203.0.113.0/24 -j DROP',
        '-A FORWARD -j MINE',
        '-t nat -A POSTROUTING -s 203.0.113.0/24 -j MASQUERADE',
      ])
        for (const program of rule.includes('203') ? ['iptables'] : ['iptables', 'ip6tables'])
          daemon.inNetns(program, rule.split(' '))
      const before = rulesOf(daemon)
      const table = tableOf(daemon)
      await daemon.launch()
      const client = new TestClient(daemon)
      await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
      await client.docker('network', 'create', '--ipv6', 'theirs')
      await client.docker('network', 'create', '--internal', 'inner')
      await client.docker('network', 'create', '-o', 'com.docker.network.bridge.enable_icc=false', 'apart')
      await client.wait('web', '--network', 'theirs', '-p', '8080:80', '-p', '127.0.0.1:53:53/udp')
      for (const network of ['inner', 'apart']) await client.docker('network', 'connect', network, 'web')
      machines.expectTraffic()
      // a container that runs keeps its rules when the daemon goes
      await daemon.terminate()
      expect(linksOf(daemon)).toContain('veth')
      await daemon.launch()
      expect(tableOf(daemon)).toBe(table)
      await client.remove('web')
      await client.docker('network', 'rm', 'theirs', 'inner', 'apart')
      await daemon.terminate()
      expect(rulesOf(daemon)).toBe(before)
      expect(daemon.inNetns('nft', ['list', 'tables'])).not.toContain('tsnet')
      expect(linksOf(daemon)).toBe(links)
      machines.expectTraffic()
      await daemon.launch()
      expect(await client.docker('run', '--rm', 'box', 'echo', 'again')).toBe('again')
    })
  },
)
