import net from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Fd } from '../../src/sys/fd.ts'
import { inNetns, openNetns } from '../../src/sys/netns.ts'
import { openInetSocket } from '../../src/sys/socket.ts'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { ask as askName, FakeServer, type Respond } from '../helpers/dns-lab.ts'
import { ask, startServer } from '../helpers/echo.ts'
import { addNeighbour, ip } from '../helpers/neighbour.ts'

/** What the neighbour's name server knows; it has no IPv6 for any of them. */
const world: Readonly<Record<string, readonly [address: string, ttl: number]>> = {
  'api.test': ['192.0.2.2', 300],
  'brief.test': ['192.0.2.4', 1],
  'a.many.test': ['192.0.2.5', 300],
  'secret.test': ['192.0.2.3', 300],
}

const respond: Respond = (query, send) => {
  const { name, type } = query.questions![0]!
  const [address, ttl] = world[name] ?? []
  const answers = type === 'A' && address !== undefined ? [{ type, name, ttl: ttl!, data: address }] : []
  send({ answers })
}

/** Answers `outside` on a port of all the neighbour's addresses. */
async function serve(netns: Fd, port: number): Promise<net.Server> {
  const options = { family: 6, type: 'stream', address: '::', port, listen: 16, v6only: false } as const
  const fd = inNetns(netns, () => openInetSocket(options))
  const server = net.createServer((socket) => socket.on('error', () => {}).end('outside'))
  await new Promise<void>((resolve) => server.listen({ fd: fd.release() }, resolve))
  return server
}

// What the rules do is proven with packets in both backends by test/contract/firewall.contract.ts.
describe('egress policies', () => {
  let daemon: TestDaemon
  let client: TestClient
  let neighbour: string
  let outside: Fd
  let names: FakeServer
  let servers: net.Server[]

  /** What a container reads from a port within a second, '' when it does not get there. */
  const reach = async (container: string, address: string, port: number): Promise<string> =>
    (await daemon.docker('exec', container, 'nc', '-w', '1', address, `${port}`)).stdout

  /** Starts a container that waits. */
  const wait = (name: string, ...args: string[]) =>
    client.tsnet('run', '-d', '--name', name, ...args, 'box', 'sleep', '600')

  const refusal = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await daemon.tsnet('create', ...args, 'box', 'true')
    expect(code).not.toBe(0)
    return stderr
  }

  beforeAll(async () => {
    daemon = await TestDaemon.start(['--firewall-backend', 'nftables', '--dns', '192.0.2.2'])
    client = new TestClient(daemon)
    neighbour = addNeighbour(daemon)
    for (const last of [3, 4, 5]) ip('-n', neighbour, 'addr', 'add', `192.0.2.${last}/24`, 'dev', 'out0')
    outside = openNetns(`/run/netns/${neighbour}`)
    names = await FakeServer.start('192.0.2.2', respond, outside)
    servers = [await serve(outside, 80), await serve(outside, 81)]
    await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
    await client.docker('network', 'create', '--ipv6', '--subnet', '10.70.0.0/24', 'plain')
    await client.docker('network', 'create', '--subnet', '10.71.0.0/24', 'other')
    await startServer(client, 'elsewhere', ['tcp/80'], '--network', 'other', '-p', '8081:80')
    await wait('free', '--network', 'plain')
    await startServer(
      { ...client, docker: client.tsnet } as TestClient,
      'bound',
      ['tcp/80'],
      ...['--network', 'plain', '-p', '8080:80'],
      ...['--egress', 'allow=api.test:80,brief.test:80,*.many.test', '--egress', 'allow=192.0.2.5:81'],
    )
  })

  afterAll(async () => {
    names.close()
    for (const server of servers) server.close()
    outside.close()
    await daemon.stop()
    ip('netns', 'delete', neighbour)
  })

  it('leave containers without one alone', async () => {
    expect(await reach('free', '192.0.2.3', 81)).toBe('outside')
    expect(await reach('free', 'secret.test', 80)).toBe('outside')
    expect(await reach('free', '2001:db8::2', 80)).toBe('outside')
  })

  it('allow a destination by its address, with the port that was given, and nothing else', async () => {
    expect(await reach('bound', '192.0.2.5', 81)).toBe('outside')
    const asked = [
      ...(await Promise.all([reach('bound', '192.0.2.3', 80), reach('bound', '2001:db8::2', 80)])),
      ...(await Promise.all([reach('bound', '192.0.2.2', 53), reach('bound', '192.0.2.2', 80)])),
    ]
    expect(asked).toEqual(Array(4).fill(''))
  })

  it('allow what a name was answered with, once it was asked for, at its port', async () => {
    expect(await reach('bound', 'api.test', 80)).toBe('outside')
    expect(await reach('bound', '192.0.2.2', 80)).toBe('outside')
    expect(await reach('bound', 'a.many.test', 80)).toBe('outside')
    // the second is an address of the same machine, but of a family that no answer had
    const closed = [reach('bound', 'api.test', 81), reach('bound', '2001:db8::2', 80)]
    expect(await Promise.all(closed)).toEqual(['', ''])
  })

  it('do not ask outside for other names', async () => {
    const { State } = await client.inspect('container', 'bound')
    using inside = openNetns(`/proc/${State.Pid}/ns/net`)
    const before = names.seen.length
    expect((await askName(inside, 'secret.test')).rcode).toBe('NXDOMAIN')
    expect((await askName(inside, 'data.in.a.name.secret.test', 'TXT')).rcode).toBe('NXDOMAIN')
    expect((await askName(inside, 'free')).rcode).toBe('NOERROR')
    expect(names.seen.slice(before)).toEqual([])
  })

  it('hold for the host and for other networks, also by a port that is published on the host', async () => {
    const address = await client.addressOf('elsewhere', 'other')
    expect(await reach('free', '192.0.2.1', 8081)).toMatch(/^elsewhere /)
    const asked = await Promise.all([
      reach('bound', address, 80),
      reach('bound', '192.0.2.1', 8081),
      reach('bound', '10.70.0.1', 8081),
    ])
    expect(asked).toEqual(['', '', ''])
  })

  it('leave the own network and published ports alone', async () => {
    const [free, bound] = [await client.addressOf('free', 'plain'), await client.addressOf('bound', 'plain')]
    await daemon.docker('exec', '-d', 'free', 'sh', '-c', 'echo neighbour | nc -l -p 90')
    await vi.waitFor(async () => expect(await reach('bound', free, 90)).toBe('neighbour\n'), 10_000)
    expect(await reach('free', bound, 80)).toMatch(/^bound /)
    expect(await ask(`/run/netns/${neighbour}`, 'tcp', '192.0.2.1', 8080)).toBe('bound 192.0.2.2')
    expect(await ask(`/run/netns/${neighbour}`, 'tcp', '2001:db8::1', 8080)).toBe('bound 2001:db8::2')
  })

  it('hold for whoever joins the network of a container, also while that is started again', async () => {
    await wait('joining', '--network', 'container:bound')
    expect(await reach('joining', '192.0.2.3', 80)).toBe('')
    expect(await reach('joining', 'api.test', 80)).toBe('outside')
    const script = 'for i in $(seq 200); do nc -w 1 192.0.2.3 80 && break; usleep 5000; done'
    const tries = daemon.docker('exec', 'joining', 'timeout', '3', 'sh', '-c', script)
    await client.docker('restart', '-t', '0', 'bound')
    expect((await tries).stdout).toBe('')
    expect(await reach('joining', 'api.test', 80)).toBe('outside')
    await client.docker('rm', '-f', 'joining')
  })

  // These wait more than they work, each with a container of its own.
  it.concurrent('allow it no longer when the answer is out of date, but again when it is asked for', async () => {
    expect(await reach('bound', 'brief.test', 80)).toBe('outside')
    const late = async () => expect(await reach('bound', '192.0.2.4', 80)).toBe('')
    await vi.waitFor(late, { timeout: 20_000, interval: 200 })
    expect(await reach('bound', 'brief.test', 80)).toBe('outside')
  })

  it.concurrent('hold on networks that are joined later, and after others were left', async () => {
    await wait('mover', '--network', 'other', '--egress', 'allow=api.test')
    expect(await reach('mover', 'api.test', 80)).toBe('outside')
    await client.docker('network', 'connect', 'plain', 'mover')
    expect(await reach('mover', '192.0.2.3', 80)).toBe('')
    await client.docker('network', 'disconnect', 'other', 'mover')
    const closed = await Promise.all([reach('mover', '192.0.2.3', 80), reach('mover', '2001:db8::2', 80)])
    expect(closed).toEqual(['', ''])
    expect(await reach('mover', '192.0.2.2', 80)).toBe('outside')
    await client.docker('rm', '-f', 'mover')
  })

  it.concurrent('change while the container runs', async () => {
    await wait('changing', '--network', 'plain')
    const update = (...policy: string[]) => client.tsnet('update', '--egress', ...policy, 'changing')
    expect(await reach('changing', 'secret.test', 80)).toBe('outside')
    await update('allow=api.test:80')
    expect(await reach('changing', '192.0.2.3', 80)).toBe('')
    expect(await reach('changing', 'api.test', 80)).toBe('outside')
    await update('allow=192.0.2.3')
    expect(await reach('changing', '192.0.2.2', 80)).toBe('')
    expect(await reach('changing', '192.0.2.3', 80)).toBe('outside')
    expect((await client.inspect('container', 'changing')).HostConfig.Egress).toEqual(['192.0.2.3'])
    await update('any')
    expect(await reach('changing', 'secret.test', 81)).toBe('outside')
    await client.docker('rm', '-f', 'changing')
  })

  it.concurrent('hold for a container that takes another hardware address, also when the policy comes later', async () => {
    const forge = (name: string, mac: string) =>
      client.docker('exec', name, 'ip', 'link', 'set', 'dev', 'eth0', 'address', mac)
    await wait('forger', '--cap-add', 'NET_ADMIN', '--network', 'plain')
    await forge('forger', '02:00:00:00:70:01')
    expect(await reach('forger', '192.0.2.3', 80)).toBe('outside')
    await client.tsnet('update', '--egress', 'allow=192.0.2.5', 'forger')
    expect(await reach('forger', '192.0.2.3', 80)).toBe('')
    await client.docker('restart', '-t', '0', 'forger')
    expect(await reach('forger', '192.0.2.5', 80)).toBe('outside')
    await forge('forger', '02:00:00:00:70:02')
    expect(await reach('forger', '192.0.2.3', 80)).toBe('')
    await client.tsnet('update', '--egress', 'any', 'forger')
    expect(await reach('forger', '192.0.2.3', 80)).toBe('outside')
    await client.docker('rm', '-f', 'forger')
  })

  it('hold while no daemon runs, and after the next has started', async () => {
    await daemon.kill()
    await daemon.launch()
    const asked = [await reach('bound', '192.0.2.3', 80), await reach('bound', '192.0.2.5', 81)]
    expect(asked).toEqual(['', 'outside'])
    expect(await reach('bound', 'api.test', 80)).toBe('outside')
    await client.docker('restart', '-t', '0', 'free')
  })

  it('leave no rule behind', async () => {
    const list = () => {
      const rules = daemon.inNetns('sh', ['-c', 'nft list ruleset 2>&1; iptables-save; ip6tables-save'])
      return (rules.match(/ [0-9a-f]{2}(:[0-9a-f]{2}){5} /g) ?? []).length
    }
    const before = list()
    await wait('passing', '--network', 'plain', '--egress', 'allow=api.test,10.0.0.0/8,10.1.0.0/16:443')
    expect(await reach('passing', 'api.test', 80)).toBe('outside')
    expect(list()).toBeGreaterThan(before)
    await client.docker('rm', '-f', 'passing')
    expect(list()).toBe(before)
  })

  it('are shown by inspect, and make the same container again', async () => {
    await client.tsnet('create', '--name', 'shown', '--egress', 'deny', 'box', 'true')
    expect((await client.inspect('container', 'shown')).HostConfig.Egress).toEqual([])
    expect((await client.inspect('container', 'bound')).HostConfig.Egress).toEqual([
      ...['api.test:80', 'brief.test:80', '*.many.test', '192.0.2.5:81'],
    ])
    expect((await client.inspect('container', 'free')).HostConfig.Egress).toBeUndefined()
    await client.docker('rm', 'shown')
  })

  it('are refused where they would not hold, and when they are none', async () => {
    expect(await refusal('--network', 'host', '--egress', 'deny')).toContain(
      "an egress policy needs a network namespace of the container's own: network mode host has none",
    )
    expect(await refusal('--network', 'container:free', '--egress', 'deny')).toContain('has none')
    expect(await refusal('--egress', 'allow=10.0.0.0/33')).toContain('egress entry "10.0.0.0/33" is not')
    expect(await refusal('--egress', 'nothing')).toContain('"nothing" is no egress policy')
    await client.docker(
      'network',
      'create',
      '-d',
      'macvlan',
      '--subnet',
      '10.72.0.0/24',
      '-o',
      'parent=up0',
      'outer',
    )
    expect(await refusal('--network', 'outer', '--egress', 'deny')).toContain(
      'network outer (driver macvlan) leads outside without the host',
    )
    await client.docker('network', 'rm', 'outer')
  })
})
