import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { inNetns, openNetns } from '../../src/sys/netns.ts'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { answerWith, FakeServer } from '../helpers/dns-lab.ts'
import { EventReader } from '../helpers/events.ts'
import { ip } from '../helpers/firewall-lab.ts'

const daemon = await TestDaemon.start()
const client = new TestClient(daemon)
const { docker, tsnet, refusal, inspect, remove, wait, inside } = client

beforeAll(async () => {
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterEach(async () => {
  await client.clear()
  await docker('network', 'prune', '-f')
})
afterAll(() => daemon.stop())

const defaultRoutes = async (name: string): Promise<string> =>
  (await inside(name, '(ip -4 route; ip -6 route) | grep ^default'))
    .replaceAll(/ (proto|pref) \w+/g, '')
    .replaceAll(/ +/g, ' ')
    .replaceAll(/ $/gm, '')
const names = async (): Promise<string[]> =>
  (await docker('network', 'ls', '--filter', 'type=custom', '--format', '{{.Name}}')).split('\n').sort()

describe('the way out of several networks', () => {
  it('is for each family that of highest priority, over twenty restarts, and the graph says why', async () => {
    await docker('network', 'create', '--subnet', '10.20.1.0/24', 'four')
    await docker(
      'network',
      'create',
      '--ipv6',
      '--subnet',
      '10.20.2.0/24',
      '--subnet',
      'fd00:20::/64',
      'both',
    )
    const networks = ['--network', 'both', '--network', 'name=four,gw-priority=10']
    await tsnet('run', '-d', '--name', 'two', ...networks, 'box', 'sleep', '600')
    const expected = 'default via 10.20.1.1 dev eth1\ndefault via fd00:20::1 dev eth0 metric 1024'
    expect(await defaultRoutes('two')).toBe(expected)
    for (let turn = 0; turn < 20; turn++) {
      const { SandboxKey } = (await inspect('container', 'two')).NetworkSettings
      using sandbox = openNetns(SandboxKey)
      for (const [family, route] of [
        ['-4', 'default via 10.20.1.1 dev eth1'],
        ['-6', 'default via fd00:20::1 dev eth0'],
      ])
        expect(inNetns(sandbox, () => ip(`${family} route show default`))).toContain(route)
      await daemon.api('POST', '/v1.43/containers/two/restart?t=0')
    }
    const graph = await tsnet('network', 'graph')
    expect(graph).toContain('IPv4 out by four via 10.20.1.1: the highest gw-priority, 10')
    expect(graph).toContain('IPv6 out by both via fd00:20::1: the only network that leads out')
    expect((await inspect('container', 'two')).NetworkSettings.Networks['four']?.GwPriority).toBe(10)
  })

  it('goes by the names of networks of one priority, as in Docker, whatever the order', async () => {
    await docker('network', 'create', '--subnet', '10.21.1.0/24', 'aa')
    await docker('network', 'create', '--subnet', '10.21.2.0/24', 'bb')
    await wait('last', '--network', 'bb')
    await docker('network', 'connect', 'aa', 'last')
    expect(await defaultRoutes('last')).toBe('default via 10.21.1.1 dev eth1')
    await docker('restart', '-t', '0', 'last')
    expect(await defaultRoutes('last')).toBe('default via 10.21.1.1 dev eth1')
  })

  it('moves with the published ports to a network of higher priority that is joined, and back', async () => {
    await docker('network', 'create', '--subnet', '10.22.1.0/24', 'low')
    await docker('network', 'create', '--subnet', '10.22.2.0/24', 'high')
    await docker(
      ...['run', '-d', '--name', 'web', '--network', 'low', '-p', '127.0.0.1:18090:80', 'box'],
      ...['sh', '-c', 'echo $HOSTNAME > /tmp/index.html; exec httpd -f -p 80 -h /tmp'],
    )
    const fetch = async (): Promise<number> =>
      (await daemon.exec('curl', '-s', '-m', '5', 'http://127.0.0.1:18090/')).code
    await expect.poll(fetch).toBe(0)
    const endpoint = ['--gw-priority', '7', '--alias', 'front', '--ip', '10.22.2.77']
    await tsnet('network', 'connect', ...endpoint, 'high', 'web')
    expect(await defaultRoutes('web')).toBe('default via 10.22.2.1 dev eth1')
    expect(await fetch()).toBe(0)
    expect((await inspect('container', 'web')).NetworkSettings.Networks['high']).toMatchObject({
      IPAddress: '10.22.2.77',
      IPAMConfig: { IPv4Address: '10.22.2.77' },
      Aliases: ['front'],
      GwPriority: 7,
    })
    // taken on the network that is the way out no longer, the port still leads into the container
    await daemon.inNetns('ip', ['neigh', 'flush', 'all'])
    expect(await fetch()).toBe(0)
    await docker('network', 'disconnect', 'high', 'web')
    expect(await defaultRoutes('web')).toBe('default via 10.22.1.1 dev eth0')
    expect(await fetch()).toBe(0)
  })

  it('stays as it is when published ports cannot follow, also over a restart of the daemon', async () => {
    await docker('network', 'create', 'four')
    const routed = 'com.docker.network.bridge.gateway_mode_ipv6=routed'
    await tsnet('network', 'create', '--ipv4=false', '--ipv6', '-o', routed, 'six')
    await wait('web', '--network', 'four', '-p', '0.0.0.0:8132:80')
    await docker('network', 'connect', 'six', 'web')
    const ports = async (): Promise<unknown> => (await inspect('container', 'web')).NetworkSettings.Ports
    const before = await ports()
    expect(await refusal('network', 'disconnect', 'four', 'web')).toContain(
      'tcp port on 0.0.0.0 cannot be published: the container has no IPv4 address that leads out',
    )
    expect(await refusal('run', '-p', '0.0.0.0:8132:80', 'box', 'true')).toContain('by container web')
    await daemon.kill()
    await daemon.launch()
    const { Networks } = (await inspect('container', 'web')).NetworkSettings
    expect(Object.keys(Networks).sort()).toEqual(['four', 'six'])
    expect(await ports()).toEqual(before)
    expect(await inside('web', 'ip -4 -o addr show eth0')).toContain('inet ')
  })
})

describe('network prune', () => {
  it('removes what nobody uses and the filters allow, and tells its names', async () => {
    await docker('network', 'create', '--label', 'a=1', 'with-a')
    await docker('network', 'create', '--label', 'b=1', 'with-b')
    await docker('network', 'create', 'used')
    await wait('user', '--network', 'used')
    expect(await docker('network', 'prune', '-f', '--filter', 'until=10m')).toBe('')
    expect(await docker('network', 'prune', '-f', '--filter', 'label=a')).toBe('Deleted Networks:\nwith-a')
    expect(await docker('network', 'prune', '-f', '--filter', 'label!=b')).toBe('')
    expect(await refusal('network', 'prune', '-f', '--filter', 'until=foo')).toContain(
      'failed to parse value as time or duration: "foo"',
    )
    expect(await refusal('network', 'prune', '-f', '--filter', 'foo=bar')).toContain("invalid filter 'foo'")
    const declined = await daemon.tsnetWith({ input: 'n\n' }, 'network', 'prune')
    expect(declined).toMatchObject({ code: 1, stderr: 'network prune has been cancelled\n' })
    expect(declined.stdout).toBe(
      'WARNING! This will remove all custom networks not used by at least one container.\n' +
        'Are you sure you want to continue? [y/N] ',
    )
    expect((await daemon.tsnetWith({ input: 'y\n' }, 'network', 'prune')).stdout).toMatch(
      /\[y\/N\] Deleted Networks:\nwith-b\n\n$/,
    )
    expect(await names()).toEqual(['used'])
    expect(await daemon.api('POST', '/v1.43/networks/prune')).toEqual({
      status: 200,
      body: { NetworksDeleted: null },
    })
  })
})

describe('network create', () => {
  it('makes one network of fifty asked for at once under one name', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => daemon.api('POST', '/v1.43/networks/create', { Name: 'once' })),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(49)
    expect(await names()).toEqual(['once'])
    expect(daemon.inNetns('ip', ['-br', 'link', 'show', 'type', 'bridge']).match(/^br-/gm)).toHaveLength(1)
  })

  it('has the families that its options say, unless the request says otherwise', async () => {
    const [four, six] = ['com.docker.network.enable_ipv4', 'com.docker.network.enable_ipv6']
    const options = ['-o', `${four}=0`, '-o', `${six}=true`]
    // Docker's older clients always say which
    await tsnet('network', 'create', ...options, 'by-options')
    await tsnet('network', 'create', ...options, '--ipv4', '--ipv6=false', 'by-flags')
    expect(await inspect('network', 'by-options')).toMatchObject({ EnableIPv4: false, EnableIPv6: true })
    expect(await inspect('network', 'by-flags')).toMatchObject({ EnableIPv4: true, EnableIPv6: false })
    const { code, stderr } = await daemon.tsnet('network', 'create', '-o', `${six}=perhaps`, 'x')
    expect(code).toBe(1)
    expect(stderr).toContain(`network x: option ${six}: "perhaps" is not true or false`)
  })

  it('takes its settings from a network that only holds them', async () => {
    await docker(
      ...['network', 'create', '--config-only', '--subnet', '10.99.0.0/24', '--label', 'q=1'],
      ...['-o', 'com.docker.network.bridge.name=cfg0', 'conf'],
    )
    expect(await inspect('network', 'conf')).toMatchObject({
      Driver: 'null',
      ConfigOnly: true,
      IPAM: { Config: [{ Subnet: '10.99.0.0/24' }] },
      Options: { 'com.docker.network.bridge.name': 'cfg0' },
    })
    await docker('network', 'create', '--config-from', 'conf', 'real')
    expect(await inspect('network', 'real')).toMatchObject({
      Driver: 'bridge',
      ConfigOnly: false,
      ConfigFrom: { Network: 'conf' },
      IPAM: { Config: [{ Subnet: '10.99.0.0/24', Gateway: '10.99.0.1' }] },
      Options: { 'com.docker.network.bridge.name': 'cfg0' },
      Labels: { q: '1' },
    })
    await daemon.kill()
    await daemon.launch()
    expect(await refusal('network', 'rm', 'conf')).toContain('configuration network "conf" is in use')
    expect(await docker('network', 'prune', '-f')).toBe('Deleted Networks:\nreal')
    expect(await docker('network', 'rm', 'conf')).toBe('conf')
  })

  it('copies them: a change of the settings is for networks that are made later', async () => {
    await docker('network', 'create', '--config-only', '--label', 'q=1', '--label', 'r=1', 'conf')
    await docker('network', 'create', '--config-from', 'conf', 'before')
    const change = ['--label-add', 'q=2', '--label-rm', 'r', '--dns-add', '192.0.2.53']
    expect(await daemon.tsnet('network', 'update', ...change, 'conf')).toEqual({
      code: 0,
      stdout: 'conf\n',
      stderr: 'networks made from conf before keep what they were made with\n',
    })
    await docker('network', 'create', '--config-from', 'conf', 'after')
    expect((await inspect('network', 'before')).Labels).toEqual({ q: '1', r: '1' })
    expect(await inspect('network', 'before')).not.toHaveProperty('DnsServers')
    expect(await inspect('network', 'after')).toMatchObject({
      Labels: { q: '2' },
      DnsServers: ['192.0.2.53'],
    })
    await docker('network', 'rm', 'before', 'after', 'conf')
  })

  it('refuses settings of its own beside those of another network, and what belongs to a swarm', async () => {
    await docker('network', 'create', '--config-only', '--subnet', '10.98.0.0/24', 'conf')
    const create = (body: object): Promise<unknown> =>
      daemon.api('POST', '/v1.48/networks/create', { Name: 'other', ...body })
    const from = { ConfigFrom: { Network: 'conf' } }
    const own = 'are not supported if the network depends on a configuration network'
    const operator =
      'configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.'
    const { Id } = await inspect('network', 'conf')
    for (const [body, status, message] of [
      [{ ConfigFrom: { Network: Id } }, 404, `configuration network "${Id}" does not exist`],
      [{ ConfigFrom: { Network: 'no' } }, 404, 'configuration network "no" does not exist'],
      [
        { ...from, IPAM: { Config: [{ Subnet: '10.3.0.0/24' }] } },
        403,
        `user specified configurations ${own}`,
      ],
      [{ ...from, Labels: { a: '1' } }, 403, `user specified configurations ${own}`],
      [{ ...from, EnableIPv4: false }, 403, `user specified configurations ${own}`],
      [{ ...from, Options: { a: '1' } }, 403, `network driver options ${own}`],
      [
        { ...from, ConfigOnly: true },
        403,
        'a configuration network cannot depend on another configuration network',
      ],
      ...[{ Internal: true }, { Attachable: true }, { Scope: 'local' }, { Ingress: true }].map(
        (field) => [{ ConfigOnly: true, ...field }, 403, operator] as const,
      ),
      [{ Ingress: true }, 403, 'Ingress network can only be global scope network'],
      [{ Scope: 'swarm' }, 403, 'cannot create a swarm scoped network when swarm is not active'],
    ] as const) {
      expect(await create(body)).toEqual({ status, body: { message } })
    }
    expect(await refusal('run', '--network', 'conf', 'box', 'true')).toContain(
      'cannot create endpoint on configuration-only network',
    )
    await wait('plain')
    expect(await refusal('network', 'connect', 'conf', 'plain')).toContain(
      'cannot create endpoint on configuration-only network',
    )
    await docker('network', 'rm', 'conf')
  })

  it('lets nobody take the names of those that are always there', async () => {
    for (const Name of ['bridge', 'host', 'none', 'default']) {
      expect(await daemon.api('POST', '/v1.43/networks/create', { Name })).toEqual({
        status: 403,
        body: { message: `operation is not permitted on predefined ${Name} network` },
      })
    }
  })
})

describe('network update', () => {
  it('changes labels and name servers while containers run', async () => {
    await docker('network', 'create', '--subnet', '10.23.0.0/24', '--label', 'old=1', 'live')
    await wait('dns', '--network', 'live', '--ip', '10.23.0.53')
    await wait('asker', '--network', 'live')
    using netns = openNetns((await inspect('container', 'dns')).NetworkSettings.SandboxKey)
    const server = await FakeServer.start('10.23.0.53', answerWith('10.1.2.3', 0), netns)
    const ask = (): Promise<string> => inside('asker', 'nslookup -type=a there.example || true')
    expect(await ask()).not.toContain('10.1.2.3')
    const change = ['--dns-add', '10.23.0.53', '--label-add', 'new=2', '--label-rm', 'old']
    expect(await tsnet('network', 'update', ...change, 'live')).toBe('live')
    expect(await inspect('network', 'live')).toMatchObject({
      Labels: { new: '2' },
      DnsServers: ['10.23.0.53'],
    })
    expect(await ask()).toContain('10.1.2.3')
    await daemon.kill()
    await daemon.launch()
    expect(await ask()).toContain('10.1.2.3')
    const drop = await daemon.tsnet('network', 'update', '--dns-drop', '10.9.9.9', 'live')
    expect(drop.stderr).toContain('network live has no name server 10.9.9.9 to drop, it has 10.23.0.53')
    await tsnet('network', 'update', '--dns-drop', '10.23.0.53', 'live')
    expect((await inspect('network', 'live')).DnsServers).toBeUndefined()
    expect((await inspect('network', 'live')).Labels).toEqual({ new: '2' })
    expect(await ask()).not.toContain('10.1.2.3')
    expect(await daemon.tsnet('network', 'update', 'live')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('you must provide one or more flags'),
    })
    server.close()
  })
})

describe('events', () => {
  it('that are past are told on request, of the time that is asked for', async () => {
    const past = async (...times: string[]): Promise<string> =>
      docker('events', ...times, '--filter', 'network=once', '--format', '{{.Action}}')
    await docker('network', 'create', 'once')
    await docker('network', 'rm', 'once')
    // `0s` would be the beginning of this second.
    const now = (Date.now() / 1000).toFixed(3)
    expect(await past('--since', '1m', '--until', now)).toBe('create\ndestroy')
    expect(await past('--until', now)).toBe('create\ndestroy')
    expect(await past('--since', '1h', '--until', '30m')).toBe('')
    const told = await daemon.tsnet('events', '--since', '1m', '--until', now, '--filter', 'network=once')
    expect(told.stdout).toMatch(/ network create .*\n.* network destroy .*\n$/)
  })

  it('tell of networks in Docker’s words, also when containers start and end', async () => {
    const events = await EventReader.open(daemon, { type: ['network'] })
    const id = await docker('network', 'create', 'told')
    const container = await docker(
      'run',
      '-d',
      '--name',
      'teller',
      '--network',
      'told',
      'box',
      'sleep',
      '600',
    )
    await docker('network', 'connect', 'bridge', 'teller')
    await docker('network', 'disconnect', 'bridge', 'teller')
    await docker('stop', '-t', '0', 'teller')
    await docker('network', 'connect', 'bridge', 'teller')
    await docker('network', 'disconnect', 'bridge', 'teller')
    await remove('teller')
    await tsnet('network', 'update', '--label-add', 'a=b', 'told')
    await docker('network', 'prune', '-f')
    await expect.poll(() => events.seen.length).toBe(9)
    const attributes = (name: string, of: object = { container }) => ({ ...of, name, type: 'bridge' })
    expect(events.seen.map(({ Action, Actor }) => [Action, Actor.Attributes])).toEqual([
      ['create', attributes('told', {})],
      ['connect', attributes('told')],
      ['connect', attributes('bridge')],
      ['disconnect', attributes('bridge')],
      ['disconnect', attributes('told')],
      ['disconnect', attributes('bridge')],
      ['update', attributes('told', {})],
      ['destroy', attributes('told', {})],
      ['prune', { reclaimed: '0' }],
    ])
    expect(events.seen.find(({ Action }) => Action === 'destroy')?.Actor.ID).toBe(id)
    events.close()
  })
})

describe('network disconnect --force', () => {
  it('takes a stopped container off a network that is gone, so that it starts again', async () => {
    await docker('network', 'create', 'stays')
    await docker('network', 'create', 'goes')
    await docker('create', '--name', 'left', '--network', 'stays', 'box', 'sleep', '600')
    await docker('network', 'connect', 'goes', 'left')
    await docker('network', 'rm', 'goes')
    expect(await refusal('start', 'left')).toContain('network goes not found')
    await docker('network', 'disconnect', 'goes', 'left')
    expect(await refusal('network', 'disconnect', 'goes', 'left')).toContain('network goes not found')
    await docker('start', 'left')
    expect(Object.keys((await inspect('container', 'left')).NetworkSettings.Networks)).toEqual(['stays'])
    expect(await refusal('network', 'disconnect', '-f', 'stays', 'nobody')).toContain(
      'endpoint nobody not found',
    )
    expect(await refusal('network', 'disconnect', '-f', 'bridge', 'left')).toContain(
      'is not connected to network bridge',
    )
  })
})

describe('the default network', () => {
  it('is as the daemon’s flags say, and is made anew when they change and nobody uses it', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tsnet-config-'))
    const file = join(directory, 'daemon.json')
    const settings = {
      bip: '10.200.0.1/24',
      'fixed-cidr': '10.200.0.128/25',
      icc: false,
      mtu: 1400,
      ipv6: true,
    }
    const defaults = {
      bridge: {
        'com.docker.network.driver.mtu': '1300',
        'com.docker.network.enable_ipv6': 'true',
        'com.docker.network.bridge.host_binding_ipv4': '127.0.0.1',
        'com.docker.network.bridge.host_binding_ipv6': '::1',
      },
    }
    writeFileSync(file, JSON.stringify({ ...settings, 'default-network-opts': defaults }))
    await using other = await TestDaemon.start(['--config-file', file])
    const own = new TestClient(other)
    const { Options, IPAM, EnableIPv6, Id } = await own.inspect('network', 'bridge')
    expect(Options).toMatchObject({
      'com.docker.network.bridge.enable_icc': 'false',
      'com.docker.network.driver.mtu': '1400',
    })
    expect(IPAM.Config[0]).toEqual({
      Subnet: '10.200.0.0/24',
      IPRange: '10.200.0.128/25',
      Gateway: '10.200.0.1',
    })
    expect(EnableIPv6).toBe(true)
    const mtuOf = (name: string): string | undefined =>
      / mtu (\d+) /.exec(other.inNetns('ip', ['-o', 'link', 'show', name]))?.[1]
    expect(mtuOf(other.mark)).toBe('1400')
    await own.tsnet('network', 'create', '-o', 'com.docker.network.bridge.name=given', 'usual')
    await own.docker(
      ...['network', 'create', '-o', 'com.docker.network.bridge.name=own'],
      ...['-o', 'com.docker.network.driver.mtu=1290', 'special'],
    )
    expect([mtuOf('given'), mtuOf('own')]).toEqual(['1300', '1290'])
    // what is published without an address is for the host alone, unless the user says otherwise
    await other.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
    await own.wait('web', '--network', 'usual', '-p', '8080:80', '-p', '0.0.0.0:8081:80')
    const exposed = await own.tsnet('ps', '--exposure', '--format', '{{.Port}} {{.Clients}}')
    expect(exposed.split('\n').sort()).toEqual([
      '0.0.0.0:8081->80/tcp everyone over IPv4',
      '127.0.0.1:8080->80/tcp this host',
      '[::1]:8080->80/tcp this host',
    ])
    await own.remove('web')
    await own.tsnet('network', 'create', '--config-only', 'settings')
    await own.tsnet('network', 'create', '--config-from', 'settings', 'copy')
    expect(await own.inspect('network', 'copy')).toMatchObject({
      EnableIPv6: true,
      Options: { 'com.docker.network.driver.mtu': '1300' },
    })
    await own.tsnet('network', 'create', '--ipv6=false', 'four')
    expect((await own.inspect('network', 'usual')).EnableIPv6).toBe(true)
    expect((await own.inspect('network', 'four')).EnableIPv6).toBe(false)
    const { stderr } = await other.docker(
      ...['network', 'create', '-o', 'com.docker.network.bridge.name=own', 'twin'],
    )
    expect(stderr).toContain('conflicts with network special (own): networks have same bridge name')
    expect(mtuOf('own')).toBe('1290')
    await own.tsnet('network', 'update', '--label-add', 'team=a', 'bridge')
    await other.terminate()
    writeFileSync(file, JSON.stringify({ bip: '10.201.0.1/24' }))
    await other.launch()
    const changed = await own.inspect('network', 'bridge')
    expect(changed.IPAM.Config[0]).toEqual({ Subnet: '10.201.0.0/24', Gateway: '10.201.0.1' })
    expect([changed.Id, changed.EnableIPv6]).toEqual([Id, false])
    expect(changed.Labels).toEqual({ team: 'a' })
    expect(other.inNetns('ip', ['-br', 'addr', 'show', other.mark])).toContain('10.201.0.1/24')
    rmSync(directory, { recursive: true })
  })
})
