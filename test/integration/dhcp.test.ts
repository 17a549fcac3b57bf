/** Containers on a bridge of the user's, which leads to a network with a DHCP server of its own: Debian's dnsmasq. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openNetns } from '../../src/sys/netns.ts'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, run, TestDaemon } from '../helpers/daemon.ts'
import { addressesOf, ask } from '../helpers/dns-lab.ts'
import { eventually } from '../helpers/eventually.ts'

const daemon = await TestDaemon.start()
const client = new TestClient(daemon)
const { docker, refusal, inspect, remove, wait, inside, addressOf } = client
const outside = `${daemon.netns}-lan`
const ip = (...args: string[]): string => daemon.inNetns('ip', args)
const log: string[] = []
let server: ChildProcess | null = null
let lonely: ReturnType<typeof startLonely>
let robbed: ReturnType<typeof startRobbed>

/** All that run. */
const servers = new Set<ChildProcess>()

async function end(server: ChildProcess): Promise<void> {
  if (!servers.delete(server)) return
  const ended = once(server, 'exit')
  server.kill()
  await ended
}

async function stopServer(): Promise<void> {
  const running = server
  server = null
  if (running !== null) await end(running)
}

const leasesOf = (link: string): string => join(daemon.root, `leases.${link}`)

/** dnsmasq on the far side of a link; leases are for two minutes and renewed after three seconds. What it says goes to `lines`. */
async function serve(link: string, range: string, lines: string[]): Promise<ChildProcess> {
  lines.length = 0
  const dnsmasq = spawn(
    'nsenter',
    [
      ...[`--net=/run/netns/${outside}`, 'dnsmasq', '--no-daemon', '--conf-file=/dev/null', '--user=root'],
      ...[`--interface=${link}`, '--except-interface=lo', '--bind-interfaces', '--no-ping'],
      ...['--dhcp-authoritative', '--log-dhcp'],
      ...['--no-resolv', '--no-hosts', '--address=/printer.lan/10.5.0.200', '--dhcp-option=58,3'],
      ...[`--dhcp-leasefile=${leasesOf(link)}`, `--dhcp-range=${range},255.255.255.0,2m`],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  servers.add(dnsmasq)
  createInterface({ input: dnsmasq.stderr! }).on('line', (line) => lines.push(line))
  await eventually(() => expect(lines.join('\n')).toContain('DHCP, sockets bound'))
  return dnsmasq
}

async function startServer(range: string): Promise<void> {
  await stopServer()
  server = await serve('lan', range, log)
}

interface Robbed {
  readonly had: string
  /** The answer for its name while it has no address, and the interface's addresses. */
  readonly without: readonly [code: string, addresses: string[], shown: string]
  readonly later: string
}

/** A container whose server takes its address and has no other for a while, which goes on while others are looked at. */
async function startRobbed(): Promise<Robbed> {
  const lines: string[] = []
  let dnsmasq = await serve('dry', '10.6.0.50,10.6.0.50', lines)
  const replace = async (range: string): Promise<void> => {
    await end(dnsmasq)
    rmSync(leasesOf('dry'), { force: true })
    dnsmasq = await serve('dry', range, lines)
  }
  try {
    const bridge = 'com.docker.network.bridge.name=br-dry'
    await docker('network', 'create', '--ipam-driver', 'dhcp', '--opt', bridge, 'dry')
    await wait('robbed', '--network', 'dry')
    const address = (): Promise<string> => addressOf('robbed', 'dry')
    const had = await address()
    await replace('10.6.0.0,static')
    await eventually(async () => expect(await address()).toBe(''))
    using netns = openNetns(`/proc/${(await inspect('container', 'robbed')).State.Pid}/ns/net`)
    const answer = await ask(netns, 'robbed')
    const shown = await inside('robbed', 'ip -o -4 addr show eth0')
    await replace('10.6.0.60,10.6.0.60')
    const later = await eventually(async () => {
      expect(await address()).not.toBe('')
      return address()
    })
    return { had, without: [answer.rcode, addressesOf(answer), shown], later }
  } finally {
    await end(dnsmasq)
  }
}

/** A start on a network without a server, which goes on while others are looked at. */
async function startLonely(): Promise<{ complaint: string; took: number }> {
  const bridge = 'com.docker.network.bridge.name=br-desert'
  await docker('network', 'create', '--ipam-driver', 'dhcp', '--opt', bridge, 'desert')
  const began = Date.now()
  const complaint = await refusal('run', '--name', 'lonely', '--network', 'desert', 'box', 'true')
  return { complaint, took: Date.now() - began }
}

const said = (pattern: RegExp): number => log.filter((line) => pattern.test(line)).length
const lan = [
  ...['network', 'create', '--ipam-driver', 'dhcp', '--opt', 'com.docker.network.bridge.name=br-lan', 'lan'],
]

beforeAll(async () => {
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
  await run('ip', ['netns', 'add', outside])
  ip('link', 'add', 'br-lan', 'type', 'bridge')
  ip('link', 'set', 'br-lan', 'up')
  ip('addr', 'add', '10.5.0.2/24', 'dev', 'br-lan')
  ip('addr', 'add', '10.5.1.2/24', 'dev', 'br-lan')
  ip('link', 'add', 'uplink', 'type', 'veth', 'peer', 'name', 'lan', 'netns', `/run/netns/${outside}`)
  ip('link', 'set', 'uplink', 'master', 'br-lan', 'up')
  ip('link', 'add', 'br-dry', 'type', 'bridge')
  ip('link', 'set', 'br-dry', 'up')
  ip('link', 'add', 'dryup', 'type', 'veth', 'peer', 'name', 'dry', 'netns', `/run/netns/${outside}`)
  ip('link', 'set', 'dryup', 'master', 'br-dry', 'up')
  for (const args of [
    ['link', 'set', 'lo', 'up'],
    ['addr', 'add', '10.6.0.1/24', 'dev', 'dry'],
    ['link', 'set', 'dry', 'up'],
    ['addr', 'add', '10.5.0.1/24', 'dev', 'lan'],
    ['addr', 'add', '10.5.1.1/24', 'dev', 'lan'],
    ['link', 'set', 'lan', 'up'],
  ]) {
    await run('ip', ['-n', outside, ...args])
  }
  ip('link', 'add', 'br-desert', 'type', 'bridge')
  ip('link', 'set', 'br-desert', 'up')
  lonely = startLonely()
  lonely.catch(() => {})
  robbed = startRobbed()
  robbed.catch(() => {})
})
afterEach(async () => {
  await remove('web', 'db').catch(() => {})
  await docker('network', 'rm', 'lan').catch(() => {})
  await stopServer()
  rmSync(leasesOf('lan'), { force: true })
})
afterAll(async () => {
  for (const running of servers) await end(running)
  await daemon.stop()
  await run('ip', ['netns', 'del', outside])
})

describe('a network whose addresses come by DHCP', () => {
  it('gives a container address, route and name servers, renews the lease, and gives it back', async () => {
    await startServer('10.5.0.50,10.5.0.99')
    await docker(...lan)
    expect((await inspect('network', 'lan')).IPAM).toMatchObject({ Driver: 'dhcp', Config: [] })
    await wait('web', '--network', 'lan', '--hostname', 'webhost')
    const address = await addressOf('web', 'lan')
    expect(address).toMatch(/^10\.5\.0\.[5-9]\d$/)
    expect(await inside('web', 'ip -o -4 addr show eth0')).toContain(`${address}/24`)
    expect(await inside('web', 'ip route')).toContain('default via 10.5.0.1 dev eth0')
    expect(await inside('web', 'ping -c1 -W2 10.5.0.1')).toContain('1 packets received')
    expect(log.join('\n')).toContain('client provides name: webhost')
    expect(await client.resolve('web', 'printer.lan')).toBe('10.5.0.200')
    await wait('db', '--network', 'lan')
    expect(await client.resolve('web', 'db')).toBe(await addressOf('db', 'lan'))
    await expect.poll(() => said(new RegExp(`DHCPACK.* ${address} `)), { timeout: 10_000 }).toBeGreaterThan(1)
    // somebody removes its interface, which comes back with the lease
    const acknowledged = said(new RegExp(`DHCPACK.* ${address} `))
    const netns = `${daemon.execRoot}/netns/${(await inspect('container', 'web')).Id}`
    await run('nsenter', [`--net=${netns}`, 'ip', 'link', 'del', 'eth0'])
    await expect
      .poll(() => said(new RegExp(`DHCPACK.* ${address} `)), { timeout: 5000 })
      .toBeGreaterThan(acknowledged + 1)
    expect(await inside('web', 'ping -c1 -W2 10.5.0.1')).toContain('1 packets received')
    expect([await addressOf('web', 'lan'), said(/DHCPRELEASE/)]).toEqual([address, 0])
    await docker('stop', '-t0', 'web')
    await expect.poll(() => said(new RegExp(`DHCPRELEASE.* ${address} `)), { timeout: 5000 }).toBe(1)
    // it asks for the same again
    await docker('start', 'web')
    expect(await addressOf('web', 'lan')).toBe(address)
  })

  it('moves a container whose address the server no longer grants, with its names', async () => {
    await startServer('10.5.0.50,10.5.0.99')
    await docker(...lan)
    const { stderr } = await daemon.docker(
      ...['run', '-d', '--name', 'web', '--network', 'lan', '-p', '8080:80', 'box'],
      ...['sh', '-c', 'echo hello > /tmp/index.html; exec httpd -f -p 80 -h /tmp'],
    )
    expect(stderr).toContain('Published ports are discarded when using dhcp networks')
    await wait('db', '--network', 'lan')
    const page = async (): Promise<string> =>
      (
        await daemon.exec(
          'curl',
          '-sf',
          '-m',
          '2',
          '--noproxy',
          '*',
          `http://${await addressOf('web', 'lan')}/`,
        )
      ).stdout
    // at its own address, as any machine of that network; the host publishes nothing
    await expect.poll(page, { timeout: 5000 }).toBe('hello\n')
    expect(await docker('port', 'web')).toBe('')
    await stopServer()
    rmSync(leasesOf('lan'))
    await startServer('10.5.1.50,10.5.1.99')
    await expect.poll(() => addressOf('web', 'lan'), { timeout: 15_000 }).toMatch(/^10\.5\.1\./)
    expect(said(/DHCPNAK/)).toBeGreaterThanOrEqual(1)
    const address = await addressOf('web', 'lan')
    const shown = await inside('web', 'ip -o -4 addr show eth0')
    expect(shown).toContain(`${address}/24`)
    expect(shown).not.toContain('10.5.0.')
    expect(await inside('web', 'ip route')).toContain('default via 10.5.1.1 dev eth0')
    expect(await inside('web', 'cat /etc/hosts')).toContain(address)
    expect(await client.resolve('db', 'web')).toBe(address)
    expect(await page()).toBe('hello\n')
  })

  it('leases for macvlan containers too, to the hardware address of each', async () => {
    await startServer('10.5.0.50,10.5.0.99')
    // a bridge can be a parent as well
    await docker(
      ...['network', 'create', '-d', 'macvlan', '-o', 'parent=br-lan', '--ipam-driver', 'dhcp', 'lan'],
    )
    const mac = '02:00:00:00:05:07'
    await wait('web', '--network', 'lan', '--mac-address', mac)
    const address = await addressOf('web', 'lan')
    expect(log.join('\n')).toMatch(new RegExp(`DHCPACK\\(lan\\) ${address} ${mac}`))
    expect(await inside('web', 'ip -o -4 addr show eth0')).toContain(`${address}/24`)
    expect(await inside('web', 'ip route')).toContain('default via 10.5.0.1 dev eth0')
    expect(await inside('web', 'ping -c1 -W2 10.5.0.1')).toContain('1 packets received')
    expect(await client.resolve('web', 'printer.lan')).toBe('10.5.0.200')
    await docker('stop', '-t0', 'web')
    await expect.poll(() => said(new RegExp(`DHCPRELEASE.* ${address} `)), { timeout: 5000 }).toBe(1)
  })

  it('joins a running container, and takes its address when it leaves', async () => {
    await startServer('10.5.0.50,10.5.0.99')
    await docker(...lan)
    await wait('web')
    await docker('network', 'connect', 'lan', 'web')
    expect(await inside('web', 'ip -o -4 addr show eth1')).toContain(`${await addressOf('web', 'lan')}/24`)
    expect(await inside('web', 'ip route')).toContain('default via 172.17.0.1 dev eth0')
    await docker('network', 'disconnect', 'lan', 'web')
    await expect.poll(() => said(/DHCPRELEASE/), { timeout: 5000 }).toBe(1)
  })

  it('refuses to start a container without a server within eight seconds, and leaves nothing', async () => {
    const { complaint, took } = await lonely
    expect(complaint).toContain(
      'no DHCP server gave an address to interface eth0 on network desert within 8 seconds',
    )
    expect(took).toBeLessThan(11_000)
    expect(ip('-o', 'link', 'show', 'master', 'br-desert')).toBe('')
    expect(ip('-br', 'link')).toContain('br-desert')
  })

  it('takes the address of a container whose server has none for it, its name with it, until there is one', async () => {
    const { had, without, later } = await robbed
    expect(had).toBe('10.6.0.50')
    // not what the world calls so
    expect(without).toEqual(['NOERROR', [], ''])
    expect(later).toBe('10.6.0.60')
  })

  it('keeps the address over a restart of the daemon, and renews it from then on', async () => {
    await startServer('10.5.0.50,10.5.0.99')
    await docker(...lan)
    await wait('web', '--network', 'lan')
    const address = await addressOf('web', 'lan')
    await daemon.kill()
    const before = said(/DHCPACK/)
    await daemon.launch()
    await expect.poll(() => said(/DHCPACK/), { timeout: 5000 }).toBeGreaterThan(before)
    expect(await addressOf('web', 'lan')).toBe(address)
    expect(said(/DHCPDISCOVER/)).toBe(1)
    await expect.poll(() => client.resolve('web', 'printer.lan'), { timeout: 5000 }).toBe('10.5.0.200')
    await remove('web')
    await expect.poll(() => said(/DHCPRELEASE/), { timeout: 5000 }).toBe(1)
  })

  it('takes no subnets and no fixed addresses', async () => {
    expect(await refusal(...lan.slice(0, -1), '--subnet', '10.5.0.0/24', 'lan')).toContain(
      'dhcp ipam driver does not handle specific address pool requests',
    )
    expect(await refusal(...lan.slice(0, -1), '--ipv6', 'lan')).toContain(
      'dhcp ipam driver gives IPv4 addresses and no others',
    )
    await docker(...lan)
    expect(await refusal('create', '--network', 'lan', '--ip', '10.5.0.60', 'box', 'true')).toContain(
      'only when connecting to networks with user configured subnets',
    )
  })
})
