/** Networks of Debian's CNI plugins in a live daemon, and of plugins that do not behave. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'

const root = mkdtempSync(join(tmpdir(), 'tsnet-cni-'))
const [configurations, programs, leases] = ['net.d', 'bin', 'leases'].map((name) => join(root, name)) as [
  string,
  string,
  string,
]
for (const directory of [configurations, programs]) mkdirSync(directory)
const daemon = await TestDaemon.start([
  ...['--cni-conf-dir', configurations],
  ...['--cni-bin-dir', programs, '--cni-bin-dir', '/usr/lib/cni'],
])
const client = new TestClient(daemon)
const { docker, tsnet, inside, wait, inspect } = client

beforeAll(async () => {
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterEach(async () => {
  await client.clear()
  await docker('network', 'prune', '-f')
})
afterAll(async () => {
  await daemon.stop()
  rmSync(root, { recursive: true, force: true })
})

const hostLocal = (subnet: string, more: object = {}): object => ({
  type: 'host-local',
  dataDir: leases,
  ranges: [[{ subnet }]],
  routes: [{ dst: '0.0.0.0/0' }],
  ...more,
})

const bridgeOf = (name: string, subnet: string): object => ({
  type: 'bridge',
  bridge: name,
  isGateway: true,
  ipMasq: true,
  capabilities: { ips: true },
  ipam: hostLocal(subnet),
})

/** Describes a network; returns its file. */
function describeNetwork(name: string, plugins: readonly object[], more: object = {}): string {
  const path = join(configurations, `${name}.conflist`)
  writeFileSync(path, JSON.stringify({ cniVersion: '1.0.0', name, ...more, plugins }))
  return path
}

/** A plugin that is a shell script. */
function script(name: string, text: string): void {
  const path = join(programs, name)
  writeFileSync(path, `#!/bin/sh\n${text}\n`)
  chmodSync(path, 0o755)
}

const versions = `[ "$CNI_COMMAND" = VERSION ] && { echo '{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}'; exit; }`

const leased = (network: string): string[] => {
  const directory = join(leases, network)
  return existsSync(directory)
    ? readdirSync(directory)
        .filter((name) => /^[\d.]+$/.test(name))
        .sort()
    : []
}

const rules = (): string => daemon.inNetns('iptables-save', [])

describe('networks of CNI plugins', () => {
  it('are used by the name they have in the directory, with ports, addresses and hardware addresses as asked for', async () => {
    describeNetwork('pods', [
      bridgeOf('cni-pods', '10.61.0.0/24'),
      { type: 'tuning', capabilities: { mac: true } },
      { type: 'portmap', capabilities: { portMappings: true } },
    ])
    await wait('one', '--network', 'pods', '-p', '80', '-p', '9000:90/udp')
    await wait('two', '--network', 'pods', '--ip', '10.61.0.77', '--mac-address', '02:00:00:00:00:77')
    const one = (await inspect('container', 'one')).NetworkSettings
    expect(one.Networks['pods']).toMatchObject({
      IPAddress: '10.61.0.2',
      IPPrefixLen: 24,
      Gateway: '10.61.0.1',
    })
    const two = (await inspect('container', 'two')).NetworkSettings.Networks['pods']
    expect(two).toMatchObject({ IPAddress: '10.61.0.77', MacAddress: '02:00:00:00:00:77' })
    expect(await inside('two', 'cat /sys/class/net/eth0/address')).toBe('02:00:00:00:00:77')
    await inside('one', 'ping -c 1 -W 2 two && ping -c 1 -W 2 10.61.0.1')
    expect(await docker('network', 'ls', '--format', '{{.Name}} {{.Driver}}')).toContain('pods cni')

    const port = one.Ports['80/tcp']?.[0]?.HostPort ?? ''
    expect(Number(port)).toBeGreaterThan(0)
    await docker('exec', '-d', 'one', 'nc', '-l', '-p', '80', '-e', 'echo', 'served')
    const host = (await daemon.exec('ip', '-4', '-o', 'addr', 'show', 'cni-pods')).stdout
    expect(host).toContain('10.61.0.1')
    await expect
      .poll(async () => (await daemon.exec('busybox', 'nc', '-w', '1', '10.61.0.1', port)).stdout)
      .toBe('served\n')
    expect(
      await client.refusal('run', '--rm', '--network', 'pods', '-p', `${port}:1`, 'box', 'true'),
    ).toContain('port is already allocated')

    await daemon.kill()
    await daemon.launch()
    await inside('one', 'ping -c 1 -W 2 10.61.0.77')
    expect(await docker('port', 'one', '80')).toContain(port)
    expect(leased('pods')).toEqual(['10.61.0.2', '10.61.0.77'])
    await client.remove('one', 'two')
    expect(leased('pods')).toEqual([])
    expect(rules()).not.toContain(`--dport ${port}`)
    expect(readdirSync(join(daemon.dataRoot, 'cni'))).toEqual([])
  })

  it('come from a file as well, and refuse what their list cannot do', async () => {
    const file = describeNetwork('plain', [bridgeOf('cni-plain', '10.62.0.0/24')])
    const create = (...args: string[]): string[] => ['network', 'create', '-d', 'cni', ...args]
    expect(await client.refusal(...create('net'))).toContain('needs its option conflist')
    expect(await client.refusal(...create('-o', 'conflist=nosuch', 'net'))).toContain('nosuch is not in')
    expect(
      await client.refusal(...create('-o', `conflist=${file}`, '--subnet', '10.1.0.0/24', 'net')),
    ).toContain('leave out subnet 10.1.0.0/24')
    await docker(...create('-o', `conflist=${file}`, 'net'))
    expect(await client.refusal('run', '--rm', '--network', 'net', '-p', '80', 'box', 'true')).toContain(
      'capability portMappings',
    )
    expect(leased('plain')).toEqual([])
    await docker('run', '--rm', '--network', 'net', 'box', 'ping', '-c', '1', '-W', '2', '10.62.0.1')
    writeFileSync(file, '{')
    expect(await client.refusal('run', '--rm', '--network', 'net', 'box', 'true')).toContain('it is no JSON')
  })

  it('may be of the plugins ptp and macvlan, and show routes and name servers of the result', async () => {
    daemon.inNetns('ip', ['link', 'add', 'trunk', 'type', 'veth', 'peer', 'name', 'far'])
    for (const end of ['trunk', 'far']) daemon.inNetns('ip', ['link', 'set', end, 'up'])
    describeNetwork('cable', [
      {
        type: 'ptp',
        ipMasq: true,
        ipam: hostLocal('10.63.0.0/24', {
          routes: [{ dst: '0.0.0.0/0' }, { dst: '10.99.0.0/16', gw: '10.63.0.1' }],
        }),
        dns: { nameservers: ['10.63.0.1'], search: ['cable.example'] },
      },
    ])
    describeNetwork('wire', [
      { type: 'macvlan', master: 'trunk', ipam: hostLocal('10.64.0.0/24', { routes: [] }) },
    ])
    await wait('one', '--network', 'cable')
    await docker('network', 'create', 'other')
    await docker('network', 'connect', 'other', 'one')
    await wait('two', '--network', 'wire')
    await wait('three', '--network', 'wire')
    await inside('one', 'ping -c 1 -W 2 10.63.0.1')
    await inside('two', 'ping -c 1 -W 2 three')
    const { Networks } = (await inspect('container', 'one')).NetworkSettings
    expect(Networks['cable']).toMatchObject({
      Gateway: '10.63.0.1',
      Told: {
        InterfaceName: 'eth0',
        Routes: [{ Destination: '10.99.0.0/16', NextHop: '10.63.0.1' }],
        Nameservers: ['10.63.0.1'],
        Search: ['cable.example'],
      },
    })
    expect(await inside('one', 'ip route')).toContain('10.99.0.0/16 via 10.63.0.1 dev eth0')
    expect(await inside('one', 'cat /etc/resolv.conf')).toContain('search cable.example')
    expect(await inside('two', 'ip route')).not.toContain('default')
    await client.remove('one', 'two', 'three')
    expect([...leased('cable'), ...leased('wire')]).toEqual([])
  })

  it('lead the ports of a running container that joins them and had no way out, until it leaves', async () => {
    const portmap = { type: 'portmap', capabilities: { portMappings: true } }
    describeNetwork('late', [bridgeOf('cni-late', '10.66.0.0/24'), portmap])
    await docker('network', 'create', '--internal', 'inner')
    await wait('one', '--network', 'inner', '-p', '8066:80')
    const port = async (): Promise<string> => (await daemon.docker('port', 'one')).stdout
    expect(await port()).toBe('')
    await docker('network', 'connect', 'late', 'one')
    expect(await port()).toContain('80/tcp -> 0.0.0.0:8066')
    const taken = await client.refusal('run', '--rm', '-p', '8066:80', 'box', 'true')
    expect(taken).toContain('port is already allocated (by container one)')
    expect(daemon.inNetns('iptables-save', ['-t', 'nat'])).toContain(
      `${await client.addressOf('one', 'late')}:80`,
    )
    await docker('network', 'disconnect', 'late', 'one')
    expect(await port()).toBe('')
    await docker('run', '--rm', '-p', '8066:80', 'box', 'true')
    await client.remove('one')
    await docker('network', 'rm', 'inner')
  })

  it('get addresses of a DHCP server by the plugin’s own daemon', async () => {
    const socket = join(root, 'dhcp.sock')
    daemon.inNetns('ip', ['link', 'add', 'cni-lan', 'type', 'bridge'])
    daemon.inNetns('ip', ['addr', 'add', '10.65.0.1/24', 'dev', 'cni-lan'])
    daemon.inNetns('ip', ['link', 'set', 'cni-lan', 'up'])
    const run = (...argv: string[]): ChildProcess =>
      spawn('nsenter', [`--net=/run/netns/${daemon.netns}`, ...argv], { stdio: 'ignore' })
    const server = run(
      ...['dnsmasq', '--no-daemon', '--conf-file=/dev/null', '--port=0', '--interface=cni-lan', '--no-ping'],
      ...['--bind-interfaces', '--user=root', '--dhcp-authoritative', '--no-hosts', '--no-resolv'],
      ...['--dhcp-range=10.65.0.50,10.65.0.60,255.255.255.0,2m', `--dhcp-leasefile=${join(root, 'dnsmasq')}`],
    )
    const broker = run('/usr/lib/cni/dhcp', 'daemon', '-socketpath', socket)
    try {
      await expect.poll(() => existsSync(socket), { timeout: 20_000 }).toBe(true)
      describeNetwork('lan', [
        { type: 'bridge', bridge: 'cni-lan', ipam: { type: 'dhcp', daemonSocketPath: socket } },
      ])
      await wait('one', '--network', 'lan')
      const { IPAddress } = (await inspect('container', 'one')).NetworkSettings.Networks['lan']!
      expect(IPAddress).toMatch(/^10\.65\.0\.(5\d|60)$/)
      await inside('one', 'ping -c 1 -W 2 10.65.0.1')
      await client.remove('one')
    } finally {
      for (const child of [server, broker]) {
        const ended = once(child, 'exit')
        child.kill()
        await ended
      }
    }
  })

  it('after a crash have as many leases as live attachments, and those of other runtimes', async () => {
    describeNetwork('crash', [bridgeOf('cni-crash', '10.66.0.0/24')])
    for (const name of ['c1', 'c2', 'c3', 'c4']) await wait(name, '--network', 'crash')
    const pids = await Promise.all(
      ['c1', 'c2', 'c3'].map(async (name) => (await inspect('container', name)).State.Pid),
    )
    await daemon.kill()
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    const foreign = { own: `${daemon.mark}.${'ab'.repeat(32)}`, other: 'cd'.repeat(32) }
    writeFileSync(join(leases, 'crash', '10.66.0.200'), `${foreign.own}\r\neth0`)
    writeFileSync(join(leases, 'crash', '10.66.0.201'), `${foreign.other}\r\neth0`)
    await daemon.launch()
    const live = (await inspect('container', 'c4')).NetworkSettings.Networks['crash']!.IPAddress
    await expect.poll(() => leased('crash'), { timeout: 10_000 }).toEqual(['10.66.0.201', live])
    expect(readdirSync(join(daemon.dataRoot, 'cni'))).toHaveLength(1)
    rmSync(join(leases, 'crash', '10.66.0.201'))
  })

  it('of plugins that die, print nonsense or without end fail with the plugin’s name, and leave nothing', async () => {
    const bridge = bridgeOf('cni-bad', '10.67.0.0/24')
    const spoilt = {
      dies: 'kill -9 $$',
      refuses: `echo '{"code":11,"msg":"no room","details":"come back"}'; exit 1`,
      babbles: 'echo hello',
      floods: 'exec head -c 9000000 /dev/zero',
      lies: `echo '{"cniVersion":"1.0.0","ips":[{"address":"nowhere"}]}'`,
    }
    const said = {
      dies: 'it failed without a word',
      refuses: 'no room; come back',
      babbles: 'it is no JSON: "hello"',
      floods: 'it has more than',
      lies: 'address "nowhere" is none',
    }
    for (const [name, text] of Object.entries(spoilt)) {
      script(name, `${versions}\n[ "$CNI_COMMAND" = ADD ] || exit 0\n${text}`)
      describeNetwork(`net-${name}`, [bridge, { type: name }])
      const refusal = await client.refusal('run', '--rm', '--network', `net-${name}`, 'box', 'true')
      expect(refusal).toContain(`CNI plugin ${name}`)
      expect(refusal).toContain(said[name as keyof typeof said])
      expect(leased(`net-${name}`)).toEqual([])
    }
    describeNetwork('missing', [{ type: 'nosuch' }])
    expect(await client.refusal('run', '--rm', '--network', 'missing', 'box', 'true')).toContain(
      'CNI plugin nosuch is in none of',
    )
    expect(readdirSync(join(daemon.dataRoot, 'cni'))).toEqual([])
  })

  it('of a plugin that hangs delay no list, no other start and no start of the daemon', async () => {
    script('hangs', `${versions}\nsleep 300 & wait`)
    describeNetwork('net-hangs', [{ type: 'hangs' }])
    const stuck = daemon.docker('run', '--rm', '--network', 'net-hangs', 'box', 'true')
    await expect.poll(async () => (await daemon.docker('network', 'ls')).stdout).toContain('net-hangs')
    const began = performance.now()
    await docker('network', 'inspect', 'net-hangs')
    await docker('ps', '-a')
    await docker('run', '--rm', 'box', 'true')
    await daemon.kill()
    await stuck
    await daemon.launch()
    await docker('run', '--rm', 'box', 'true')
    expect(performance.now() - began).toBeLessThan(15_000)
    expect(await tsnet('driver', 'ls')).toContain('cni')
    script('hangs', 'exit 0')
  })
})
