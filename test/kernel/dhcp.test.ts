/** The DHCP client against Debian's dnsmasq, over a veth pair between two throw-away namespaces. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createDhcpIpam } from '../../src/ipam/dhcp/index.ts'
import type { LeasedLink, LinkIpam, LinkLease } from '../../src/ipam/ipam.ts'
import { createLogger } from '../../src/log.ts'
import { enterThrowAwayNetns, ip, Place } from '../helpers/firewall-lab.ts'

const directory = mkdtempSync(join(tmpdir(), 'tsnet-dhcp-'))
let client: Place
let ipam: LinkIpam
let desert: Place
let lonelyIpam: LinkIpam
let lonely: Promise<{ error: string; took: number }>
let server: DhcpServer | null = null

/** dnsmasq in this process's namespace, and what it logs. */
class DhcpServer {
  readonly #process: ChildProcess
  readonly log: string[] = []

  constructor(range: string, ...options: string[]) {
    this.#process = spawn(
      'dnsmasq',
      [
        ...['--no-daemon', '--conf-file=/dev/null', '--port=0', '--interface=lan', '--bind-interfaces'],
        ...['--no-ping', '--dhcp-authoritative', '--log-dhcp', '--user=root', '--no-hosts', '--no-resolv'],
        ...[`--dhcp-leasefile=${join(directory, 'leases')}`, `--dhcp-range=${range}`, ...options],
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    createInterface({ input: this.#process.stderr! }).on('line', (line) => this.log.push(line))
  }

  async ready(): Promise<this> {
    await expect.poll(() => this.log.join('\n'), { timeout: 5000 }).toContain('DHCP, sockets bound')
    return this
  }

  /** How often it has logged such a line. */
  count(pattern: RegExp): number {
    return this.log.filter((line) => pattern.test(line)).length
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.kill()
    await ended
  }
}

async function startServer(range: string, ...options: string[]): Promise<DhcpServer> {
  await server?.stop()
  server = new DhcpServer(range, ...options)
  return server.ready()
}

const wide = '10.5.0.50,10.5.0.99,255.255.255.0,2m'

function link(part: Partial<LeasedLink> = {}): LeasedLink {
  return {
    owner: 'ab'.repeat(32),
    network: 'lan',
    netns: client.netns,
    interfaceName: 'eth0',
    hostname: 'printer',
    before: '',
    ...part,
  }
}

/** The changes that the manager tells, as they come. */
function changes(): LinkLease[] {
  const told: LinkLease[] = []
  ipam.subscribe((_, lease) => told.push(lease))
  return told
}

beforeAll(async () => {
  await enterThrowAwayNetns()
  client = new Place('client', directory)
  ip('link add lan type veth peer name far')
  ip('addr add 10.5.0.1/24 dev lan')
  ip('addr add 10.5.1.1/24 dev lan')
  ip('link set lan up')
  ip(`link set far netns ${client.path} name eth0`)
  client.ip('link set eth0 up')
  // A wait that goes on while others are looked at.
  desert = new Place('desert', directory)
  ip('link add sand type veth peer name dune')
  ip('link set sand up')
  ip(`link set dune netns ${desert.path} name eth0`)
  desert.ip('link set eth0 up')
  lonelyIpam = createDhcpIpam({ log: createLogger('silent') })
  const began = Date.now()
  lonely = lonelyIpam.acquire(link({ netns: desert.netns })).then(
    () => ({ error: '', took: 0 }),
    ({ message }: Error) => ({ error: message, took: Date.now() - began }),
  )
})
beforeEach(() => {
  ipam = createDhcpIpam({ log: createLogger('silent') })
})
afterEach(async () => {
  ipam.stop()
  await server?.stop()
  server = null
  rmSync(join(directory, 'leases'), { force: true })
})
afterAll(() => {
  lonelyIpam.stop()
  desert.close()
  client.close()
  rmSync(directory, { recursive: true, force: true })
})

describe('a new interface', () => {
  test('gets an address, a gateway and name servers over a link without any address', async () => {
    const { log } = await startServer(wide, '--dhcp-option=6,10.5.0.53,10.5.0.54')
    const lease = await ipam.acquire(link())
    expect(lease).toEqual({
      address4: expect.stringMatching(/^10\.5\.0\.[5-9]\d\/24$/),
      gateway4: '10.5.0.1',
      nameServers: ['10.5.0.53', '10.5.0.54'],
    })
    expect(ipam.find(link().owner)).toEqual(lease)
    expect(log.join('\n')).toMatch(/client provides name: printer/)
    expect(log.join('\n')).toMatch(/DHCPACK\(lan\) 10\.5\.0\.\d+ .* printer/)
  })

  test('asks for the address that it had, and gets it when it is free', async () => {
    await startServer(wide)
    expect((await ipam.acquire(link({ before: '10.5.0.77/24' }))).address4).toBe('10.5.0.77/24')
    const other = await ipam.acquire(link({ owner: 'cd'.repeat(32), before: '10.5.0.77/24' }))
    expect(other.address4).not.toBe('10.5.0.77/24')
  })
})

describe('a lease', () => {
  test('is renewed with its server before it runs out', async () => {
    const running = await startServer(wide, '--dhcp-option=58,3')
    const told = changes()
    const lease = await ipam.acquire(link())
    client.ip(`addr add ${lease.address4} dev eth0`)
    await expect.poll(() => running.count(/DHCPACK/), { timeout: 10_000 }).toBeGreaterThanOrEqual(2)
    expect(running.count(/DHCPDISCOVER/)).toBe(1)
    expect(told).toEqual([])
    client.ip('addr flush dev eth0')
  })

  test('whose renewal brings other name servers is told', async () => {
    await startServer(wide, '--dhcp-option=58,3')
    const told = changes()
    const lease = await ipam.acquire(link())
    await startServer(wide, '--dhcp-option=58,3', '--dhcp-option=6,10.5.0.99')
    await expect.poll(() => told, { timeout: 10_000 }).toEqual([{ ...lease, nameServers: ['10.5.0.99'] }])
  })

  test('is renewed also when its interface was down for a while', async () => {
    await startServer(wide, '--dhcp-option=58,3')
    const told = changes()
    const lease = await ipam.acquire(link())
    client.ip(`addr add ${lease.address4} dev eth0`)
    client.ip('link set eth0 down')
    await delay(100)
    client.ip('link set eth0 up')
    await startServer(wide, '--dhcp-option=58,3', '--dhcp-option=6,10.5.0.99')
    await expect.poll(() => told, { timeout: 10_000 }).toEqual([{ ...lease, nameServers: ['10.5.0.99'] }])
    client.ip('addr flush dev eth0')
  })

  test('that the server no longer grants is replaced by another, which is told', async () => {
    await startServer(wide, '--dhcp-option=58,3')
    const told = changes()
    await ipam.acquire(link())
    rmSync(join(directory, 'leases'))
    const other = await startServer('10.5.1.50,10.5.1.99,255.255.255.0,2m')
    await expect
      .poll(() => told, { timeout: 10_000 })
      .toEqual([
        {
          address4: expect.stringMatching(/^10\.5\.1\.\d+\/24$/),
          gateway4: '10.5.1.1',
          nameServers: [],
        },
      ])
    expect(other.count(/DHCPNAK/)).toBeGreaterThanOrEqual(1)
  })

  test('goes back to its server with its interface', async () => {
    const running = await startServer(wide)
    const { address4 } = await ipam.acquire(link())
    ipam.release(link().owner)
    ipam.release(link().owner)
    await expect.poll(() => running.count(/DHCPRELEASE/), { timeout: 5000 }).toBe(1)
    expect(running.log.join('\n')).toContain(`DHCPRELEASE(lan) ${address4.split('/')[0]} `)
  })

  test('is taken up again after a restart, without a new one', async () => {
    const running = await startServer(wide)
    const { address4 } = await ipam.acquire(link())
    ipam.stop()
    ipam = createDhcpIpam({ log: createLogger('silent') })
    const told = changes()
    ipam.resume(link({ before: address4 }))
    await expect.poll(() => told, { timeout: 5000 }).toMatchObject([{ address4 }])
    expect(running.count(/DHCPDISCOVER/)).toBe(1)
    expect(running.count(/DHCPACK/)).toBe(2)
  })

  test('that cannot be taken up again after a restart is replaced', async () => {
    await startServer(wide)
    const told = changes()
    ipam.resume(link({ before: '10.77.0.9/24' }))
    await expect
      .poll(() => told, { timeout: 5000 })
      .toMatchObject([{ address4: expect.stringMatching(/^10\.5\.0\./) }])
  })
})

test('answers to others, and what is no answer, are passed over', async () => {
  const running = await startServer(wide)
  client.ip('addr add 10.5.0.9/24 dev eth0')
  const noise = spawn(
    'busybox',
    ['sh', '-c', 'for i in 1 2 3 4 5 6; do echo x | busybox nc -u -w1 -p 67 10.5.0.9 68; done'],
    {
      stdio: 'ignore',
    },
  )
  await delay(50)
  expect((await ipam.acquire(link())).address4).toMatch(/^10\.5\.0\./)
  noise.kill()
  client.ip('addr flush dev eth0')
  expect(running.count(/DHCPACK/)).toBe(1)
})

test('nobody waits longer than eight seconds for a server that is not there', async () => {
  const { error, took } = await lonely
  expect(error).toMatch(/^no DHCP server gave an address to interface eth0 on network lan within 8 seconds/)
  expect(took).toBeLessThan(10_000)
  expect(lonelyIpam.find(link().owner)).toBeUndefined()
})
