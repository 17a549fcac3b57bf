/** What every network driver that makes interfaces does. Run as root; the file's process lives in a throw-away namespace. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { DriverContext, EndpointSpec, NetworkDriver } from '../../src/drivers/driver.ts'
import { isLoopback, listLinks } from '../../src/netlink/link.ts'
import { removeLink } from '../../src/netlink/link-removal.ts'
import { openRouteSocket } from '../../src/netlink/socket.ts'
import {
  findSandbox,
  listSandboxes,
  openSandbox,
  removeSandbox,
  type Sandbox,
} from '../../src/sandbox/sandbox.ts'
import type { NetworkRecord } from '../../src/store/records.ts'
import { inNetns } from '../../src/sys/netns.ts'
import { type EndpointId, type NetworkId, newId } from '../../src/values/id.ts'
import { enterThrowAwayNetns, ip } from '../helpers/firewall-lab.ts'

export const context: DriverContext = {
  mark: 'tsnet',
  log: pino({ level: 'silent' }),
  signal: new AbortController().signal,
}

/** A dual-stack network, 10.91.0.0/24 and fd00:91::/64, with the given differences. */
export function networkRecord(part: Partial<NetworkRecord> = {}): NetworkRecord {
  return {
    id: newId<NetworkId>(),
    name: 'contract',
    createdAt: '2026-01-01T00:00:00.000Z',
    predefined: false,
    givenFamilies: [4, 6],
    configuration: null,
    dnsServers: [],
    configOnly: false,
    configFrom: '',
    driver: 'bridge',
    internal: false,
    attachable: false,
    ipv4: true,
    ipv6: true,
    ipamDriver: 'default',
    ipamOptions: {},
    pools: [
      { subnet: '10.91.0.0/24', range: '', gateway: '10.91.0.1', auxiliary: {} },
      { subnet: 'fd00:91::/64', range: '', gateway: 'fd00:91::1', auxiliary: {} },
    ],
    options: {},
    labels: {},
    ...part,
  }
}

/** The endpoint with the address number `host` of the network, led out by both families. */
export function endpointSpec(
  network: NetworkRecord,
  host: number,
  part: Partial<EndpointSpec> = {},
): EndpointSpec {
  return {
    id: newId<EndpointId>(),
    network,
    interfaceName: 'eth0',
    mac: '',
    address4: `10.91.0.${host}/24`,
    address6: `fd00:91::${host.toString(16)}/64`,
    linkLocal: [],
    gateway4: '10.91.0.1',
    gateway6: 'fd00:91::1',
    defaultRoute4: true,
    defaultRoute6: true,
    sysctls: {},
    onlyOwnMac: false,
    options: {},
    ...part,
  }
}

export interface InterfaceView {
  readonly ifname: string
  readonly address: string
  readonly mtu: number
  readonly flags: readonly string[]
  readonly ifalias?: string
  readonly addr_info: readonly { family: string; local: string; prefixlen: number; scope: string }[]
}

/** What `ip -j` says in this process's namespace, or inside a sandbox. */
export function ipJson<T>(command: string, sandbox?: Sandbox): T[] {
  const run = () => JSON.parse(ip(`-j ${command}`) || '[]') as T[]
  return (sandbox === undefined ? run() : inNetns(sandbox.netns, run as () => never)) as T[]
}

/** The global addresses of a link, with prefix length. */
export function globalAddresses(view: InterfaceView): string[] {
  return view.addr_info
    .filter((address) => address.scope === 'global')
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`)
}

/** Whether one ping from the sandbox is answered within a second. */
export function canReach(sandbox: Sandbox, address: string): boolean {
  return inNetns(sandbox.netns, (() => {
    try {
      execFileSync('busybox', ['ping', '-c', '1', '-W', '1', address], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  }) as () => never)
}

/** Links, addresses, routes and neighbours: all that a driver may leave behind. Counters and timers are left out. */
function kernelState(): string {
  return ['-o link', '-o addr', 'route show table all', '-6 route show table all']
    .map((command) => ip(command).replaceAll(/ (expires|valid_lft|preferred_lft) \S+/g, ''))
    .join('\n')
}

/** What says that a link has, or once had, something at its other end. */
const carrier = /NO-CARRIER,| linkdown|state (UP|DOWN)|^.*\bfe80:.*$\n?/gm

function aliases(): string[] {
  return ipJson<InterfaceView>('link').flatMap(({ ifalias }) => ifalias ?? [])
}

/** Sandboxes of one test, removed after it. */
export function sandboxes(): { open(): Sandbox; empty(): Promise<void>; closeAll(): void } {
  const execRoot = mkdtempSync(join(tmpdir(), 'tsnet-sandbox-'))
  const opened: Sandbox[] = []
  return {
    open() {
      const sandbox = openSandbox({ execRoot, id: newId() })
      opened.push(sandbox)
      return sandbox
    },
    /** In a namespace that is closed links live on for a while, and with them what ipvlan links take of their parent. */
    async empty() {
      for (const { netns } of opened) {
        using socket = openRouteSocket(netns)
        const links = listLinks(socket).filter((link) => !isLoopback(link))
        for (const { index } of links) await removeLink(index, netns)
      }
    },
    closeAll() {
      for (const sandbox of opened) sandbox[Symbol.dispose]()
      for (const id of listSandboxes(execRoot)) removeSandbox(execRoot, id)
      rmSync(execRoot, { recursive: true })
    },
  }
}

/** Where drivers differ, and what they stand on. */
export interface Surroundings {
  /** The differences of their networks. */
  readonly network: Partial<NetworkRecord>
  /** In what a second network has to differ from the first. */
  readonly other: Partial<NetworkRecord>
  /** Whether endpoints have hardware addresses of their own. */
  readonly ownMacs: boolean
  /** Whether options, gateways and what is left over are another program's, which the driver only speaks to. */
  readonly remote?: boolean
  /** Whether networks and addresses are another program's too: the driver makes nothing for a network, and asks for addresses. */
  readonly asks?: boolean
  /** Makes what networks need, in the file's namespace, and returns how that ends. */
  readonly prepare: () => () => void
}

const nothing: Surroundings = { network: {}, other: {}, ownMacs: true, prepare: () => () => {} }

/** A driver that makes nothing for a network without endpoints cannot be seen to be repeatable: give it one for which it does. */
export function describeDriver(
  name: string,
  create: () => NetworkDriver,
  surroundings: Surroundings = nothing,
): void {
  const { ownMacs, remote = false, asks = false } = surroundings
  /** A plugin's links may have been up for a moment in this namespace before, which a bridge shows for a while. */
  const standing = (): string => (remote ? kernelState().replaceAll(carrier, '') : kernelState())
  /** What a plugin answers for itself is no part of its adapter's contract. */
  const ofOwn = (title: string, body: () => unknown): void => {
    if (!remote) test(title, body)
  }
  /** What only a driver can keep that makes networks and gives interfaces their addresses itself. */
  const ofMaker = (title: string, body: () => unknown): void => {
    if (!asks) test(title, body)
  }
  describe(`the ${name} driver`, () => {
    let driver: NetworkDriver
    let network: NetworkRecord
    let places: ReturnType<typeof sandboxes>
    let before: string
    let end: () => void

    const record = (part: Partial<NetworkRecord> = {}): NetworkRecord =>
      networkRecord({ driver: driver.name, ...surroundings.network, ...part })

    beforeAll(async () => {
      await enterThrowAwayNetns()
      end = surroundings.prepare()
    })

    afterAll(() => end())

    beforeEach(() => {
      driver = create()
      network = record()
      places = sandboxes()
      before = standing()
    })

    afterEach(async () => {
      await places.empty()
      places.closeAll()
      await driver.sweep?.(context, [], [])
      await driver.removeNetwork(context, network)
      await driver.settle?.()
    })

    ofMaker('creating a network twice changes nothing and gives the same rules', async () => {
      const first = await driver.createNetwork(context, network)
      const state = standing()
      expect(state).not.toBe(before)
      expect(await driver.createNetwork(context, network)).toEqual(first)
      expect(standing()).toBe(state)
    })

    test('after attach the interface stands in the sandbox as the answer says', async () => {
      await driver.createNetwork(context, network)
      const sandbox = places.open()
      const mac = ownMacs ? '02:00:00:00:00:05' : ''
      const endpoint = endpointSpec(network, 2, { interfaceName: 'eth5', mac })
      // What a driver has been told besides is not for all alike.
      const { routes: _routes, dns: _dns, ...attachment } = await driver.attach(context, endpoint, sandbox)
      expect(attachment).toEqual({
        interfaceName: 'eth5',
        mac,
        address4: '10.91.0.2/24',
        address6: 'fd00:91::2/64',
        gateway4: '10.91.0.1',
        gateway6: 'fd00:91::1',
      })
      const [view] = ipJson<InterfaceView>('addr show dev eth5', sandbox)
      expect(view).toMatchObject({ ifname: 'eth5', ...(ownMacs ? { address: mac } : {}) })
      expect(view!.flags).toContain('UP')
      expect(globalAddresses(view!)).toEqual(['10.91.0.2/24', 'fd00:91::2/64'])
    })

    if (ownMacs) {
      test('a hardware address that nobody asked for is a random one of the local space', async () => {
        await driver.createNetwork(context, network)
        const macs = new Set<string>()
        for (const host of [2, 3]) {
          const sandbox = places.open()
          const { mac } = await driver.attach(context, endpointSpec(network, host), sandbox)
          expect(ipJson<InterfaceView>('addr show dev eth0', sandbox)[0]!.address).toBe(mac)
          expect(Number.parseInt(mac.slice(0, 2), 16) & 0b11).toBe(0b10)
          macs.add(mac)
        }
        expect(macs.size).toBe(2)
      })
    } else {
      test('a hardware address is not asked for in vain', async () => {
        const mac = '02:00:00:00:00:05'
        expect(() => driver.checkEndpoint(network, { mac, options: {} })).toThrow(mac)
        await driver.createNetwork(context, network)
        const sandbox = places.open()
        await expect(
          driver.attach(context, endpointSpec(network, 2, { mac }), sandbox),
        ).rejects.toMatchObject({ kind: 'invalid' })
        expect(ipJson('link', sandbox)).toHaveLength(1)
      })
    }

    test('the first packets after attach reach gateway and neighbour in both families', async () => {
      await driver.createNetwork(context, network)
      const [one, two] = [places.open(), places.open()]
      await driver.attach(context, endpointSpec(network, 2), one)
      expect([canReach(one, '10.91.0.1'), canReach(one, 'fd00:91::1')]).toEqual([true, true])
      await driver.attach(context, endpointSpec(network, 3), two)
      expect([canReach(one, '10.91.0.3'), canReach(two, 'fd00:91::2')]).toEqual([true, true])
    })

    /** Links without a hardware address of their own have the address that neighbours know. */
    const ofAnnouncer = (title: string, body: () => unknown): void => {
      if (ownMacs) ofMaker(title, body)
    }

    ofAnnouncer(
      'neighbours that knew another hardware address for an endpoint’s addresses learn its own',
      async () => {
        await driver.createNetwork(context, network)
        const [neighbour, sandbox] = [places.open(), places.open()]
        await driver.attach(context, endpointSpec(network, 3), neighbour)
        for (const address of ['10.91.0.2', 'fd00:91::2'])
          inNetns(neighbour.netns, () =>
            ip(`neigh replace ${address} lladdr 02:00:00:00:00:99 dev eth0 nud reachable`),
          )
        const { mac } = await driver.attach(context, endpointSpec(network, 2), sandbox)
        const known = () =>
          ipJson<{ dst: string; lladdr?: string }>('neigh show dev eth0', neighbour)
            .filter(({ dst }) => ['10.91.0.2', 'fd00:91::2'].includes(dst))
            .map(({ lladdr }) => lladdr)
        await expect.poll(known, { timeout: 3000 }).toEqual([mac, mac])
      },
    )

    test('default routes lead through the endpoint only where they are asked for', async () => {
      await driver.createNetwork(context, network)
      const sandbox = places.open()
      const endpoint = endpointSpec(network, 2, { defaultRoute4: true, defaultRoute6: false })
      await driver.attach(context, endpoint, sandbox)
      expect(ipJson('route show default', sandbox)).toMatchObject([
        { dst: 'default', gateway: '10.91.0.1', dev: 'eth0' },
      ])
      expect(ipJson('-6 route show default', sandbox)).toEqual([])
    })

    ofMaker('an internal network has no gateway', async () => {
      network = { ...network, internal: true }
      await driver.createNetwork(context, network)
      expect(network.pools.map((pool) => driver.gatewayFor(network, pool))).toEqual(['', ''])
      const sandbox = places.open()
      const endpoint = endpointSpec(network, 2, { gateway4: '', gateway6: '' })
      expect(await driver.attach(context, endpoint, sandbox)).toMatchObject({ gateway4: '', gateway6: '' })
      expect(ipJson('route show default', sandbox)).toEqual([])
      expect(ipJson('-6 route show default', sandbox)).toEqual([])
    })

    ofOwn('a gateway of zeros leads to the link itself, without a next hop', async () => {
      await driver.createNetwork(context, network)
      const sandbox = places.open()
      const endpoint = endpointSpec(network, 2, { gateway4: '0.0.0.0', gateway6: '::' })
      await driver.attach(context, endpoint, sandbox)
      for (const family of ['-4', '-6']) {
        const routes = ipJson(`${family} route show default`, sandbox)
        expect(routes).toMatchObject([{ dev: 'eth0' }])
        expect(routes[0]).not.toHaveProperty('gateway')
      }
    })

    test('an endpoint has its link-local addresses beside the others', async () => {
      await driver.createNetwork(context, network)
      const sandbox = places.open()
      const linkLocal = ['169.254.34.34', 'fe80::34']
      await driver.attach(context, endpointSpec(network, 2, { linkLocal }), sandbox)
      const [view] = ipJson<InterfaceView>('addr show dev eth0', sandbox)
      const addresses = view!.addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`)
      const wanted = ['10.91.0.2/24', 'fd00:91::2/64', '169.254.34.34/16', 'fe80::34/64']
      expect(addresses).toEqual(expect.arrayContaining(wanted))
    })

    ofMaker('an endpoint of one family has nothing of the other', async () => {
      await driver.createNetwork(context, network)
      const [one, two] = [places.open(), places.open()]
      await driver.attach(context, endpointSpec(network, 2, { address4: '', gateway4: '' }), one)
      await driver.attach(context, endpointSpec(network, 3, { address6: '', gateway6: '' }), two)
      const families = (sandbox: Sandbox) =>
        new Set(
          ipJson<InterfaceView>('addr show dev eth0', sandbox)[0]!.addr_info.map(({ family }) => family),
        )
      expect([...families(one)]).toEqual(['inet6'])
      expect([...families(two)]).toEqual(['inet'])
    })

    test('sysctls of an endpoint are those of its interface, and a wrong one lets nothing be made', async () => {
      await driver.createNetwork(context, network)
      const state = standing()
      const sandbox = places.open()
      const odd = { 'net/ipv4/conf/eth0/colour': '1' }
      await expect(
        driver.attach(context, endpointSpec(network, 2, { sysctls: odd }), sandbox),
      ).rejects.toMatchObject({ kind: 'invalid' })
      expect(standing()).toBe(state)
      const sysctls = { 'net/ipv4/conf/eth0/log_martians': '1' }
      await driver.attach(context, endpointSpec(network, 2, { sysctls }), sandbox)
      const value = inNetns(sandbox.netns, (() =>
        readFileSync('/proc/sys/net/ipv4/conf/eth0/log_martians', 'utf8')) as () => never)
      expect(value).toBe('1\n')
    })

    ofOwn('an option of an endpoint that it does not know is refused by its name', () => {
      const odd = { 'com.docker.network.endpoint.odd': '1' }
      expect(() => driver.checkEndpoint(network, { mac: null, options: odd })).toThrow(
        expect.objectContaining({
          kind: 'invalid',
          message: expect.stringContaining('com.docker.network.endpoint.odd'),
        }),
      )
      driver.checkEndpoint(network, { mac: null, options: {} })
    })

    test('detaching twice leaves the network as it was before attach', async () => {
      await driver.createNetwork(context, network)
      const state = ipJson<InterfaceView>('link').map(({ ifname }) => ifname)
      const sandbox = places.open()
      const endpoint = endpointSpec(network, 2)
      await driver.attach(context, endpoint, sandbox)
      expect(ipJson<InterfaceView>('link', sandbox).map(({ ifname }) => ifname)).toEqual(['lo', 'eth0'])
      await driver.detach(context, endpoint, sandbox)
      await driver.detach(context, endpoint, sandbox)
      expect(ipJson<InterfaceView>('link').map(({ ifname }) => ifname)).toEqual(state)
      expect(ipJson<InterfaceView>('link', sandbox).map(({ ifname }) => ifname)).toEqual(['lo'])
    })

    test('detaching is harmless after the sandbox is gone', async () => {
      await driver.createNetwork(context, network)
      const links = ipJson<InterfaceView>('link').map(({ ifname }) => ifname)
      const endpoint = endpointSpec(network, 9)
      await driver.attach(context, endpoint, places.open())
      places.closeAll()
      places = sandboxes()
      await driver.detach(context, endpoint, null)
      expect(ipJson<InterfaceView>('link').map(({ ifname }) => ifname)).toEqual(links)
    })

    test('an endpoint can be attached again after detach', async () => {
      await driver.createNetwork(context, network)
      const sandbox = places.open()
      const endpoint = endpointSpec(network, 2)
      for (let round = 0; round < 3; round++) {
        await driver.attach(context, endpoint, sandbox)
        // The kernel looks at carriers once a second only, where nobody asks for the link, as with interfaces of plugins.
        await expect.poll(() => canReach(sandbox, '10.91.0.1'), { timeout: 5000 }).toBe(true)
        await driver.detach(context, endpoint, sandbox)
      }
    })

    ofOwn(
      'an endpoint has lost its interface when somebody has removed that, until it is attached again',
      async () => {
        await driver.createNetwork(context, network)
        const sandbox = places.open()
        const endpoint = endpointSpec(network, 2)
        const again = { ...endpoint, mac: (await driver.attach(context, endpoint, sandbox)).mac }
        const execRoot = dirname(dirname(sandbox.path))
        const standing = { ...endpoint, sandbox: () => findSandbox({ execRoot, id: sandbox.id }) }
        const lost = () => driver.findLost?.(context, [standing])
        expect(await lost()).toEqual([])
        inNetns(sandbox.netns, (() => ip('link del eth0')) as () => never)
        expect(await lost()).toEqual([endpoint.id])
        await driver.detach(context, endpoint, sandbox)
        expect(await driver.attach(context, again, sandbox)).toMatchObject({ mac: again.mac })
        expect(await lost()).toEqual([])
        expect(canReach(sandbox, '10.91.0.1')).toBe(true)
      },
    )

    ofMaker('an attach that fails half-way leaves no link, neither outside nor inside', async () => {
      await driver.createNetwork(context, network)
      const state = standing()
      const sandbox = places.open()
      const endpoint = endpointSpec(network, 2, { address6: 'ff02::9/64' })
      await expect(driver.attach(context, endpoint, sandbox)).rejects.toThrow(/RTM_NEWADDR ff02::9\/64/)
      expect(standing()).toBe(state)
      expect(ipJson<InterfaceView>('link', sandbox).map(({ ifname }) => ifname)).toEqual(['lo'])
    })

    test('a name that is taken in the sandbox is refused, and the one that has it stays', async () => {
      await driver.createNetwork(context, network)
      const sandbox = places.open()
      await driver.attach(context, endpointSpec(network, 2), sandbox)
      const state = standing()
      await expect(driver.attach(context, endpointSpec(network, 3), sandbox)).rejects.toMatchObject({
        kind: 'conflict',
      })
      expect(standing()).toBe(state)
      expect(canReach(sandbox, '10.91.0.1')).toBe(true)
    })

    test('a caller who gave up gets nothing made', async () => {
      await driver.createNetwork(context, network)
      const state = standing()
      const given = { ...context, signal: AbortSignal.abort() }
      await expect(driver.attach(given, endpointSpec(network, 2), places.open())).rejects.toThrow(/abort/)
      expect(standing()).toBe(state)
    })

    test('removing a network twice leaves nothing behind', async () => {
      await driver.createNetwork(context, network)
      await driver.removeNetwork(context, network)
      await driver.removeNetwork(context, network)
      await driver.settle?.()
      expect(standing()).toBe(before)
    })

    ofMaker('name, address and subnet of a network are free as soon as it is removed', async () => {
      for (let round = 0; round < 3; round++) {
        await driver.createNetwork(context, network)
        expect(standing()).toContain('10.91.0.')
        await driver.removeNetwork(context, network)
        expect(standing()).not.toContain('10.91.0.')
      }
    })

    ofOwn('a sweep removes what is not wanted and nothing else', async () => {
      const other = record({ name: 'other', ...surroundings.other })
      await driver.createNetwork(context, other)
      await driver.createNetwork(context, network)
      ip('link add foreign type bridge')
      const [kept, lost] = [endpointSpec(network, 2), endpointSpec(network, 3)]
      const sandbox = places.open()
      await driver.attach(context, kept, sandbox)
      await driver.attach(context, lost, places.open())
      const tags = aliases()
      // the mark may be the driver's own
      const isUnwanted = (tag: string): boolean => [other.id, lost.id].some((id) => tag.endsWith(`:${id}`))
      expect(tags.some(isUnwanted)).toBe(true)
      await driver.sweep?.(context, [network], [kept])
      expect(aliases()).toEqual(tags.filter((tag) => !isUnwanted(tag)))
      expect(canReach(sandbox, '10.91.0.1')).toBe(true)
      expect(ipJson('link show foreign')).toHaveLength(1)
      ip('link del foreign')
    })

    ofOwn('an option that it does not know is refused by its name', () => {
      const options = { 'com.docker.network.no.such': '1' }
      expect(() => driver.parseOptions(networkRecord({ options }))).toThrow(/com\.docker\.network\.no\.such/)
      expect(() => driver.parseOptions(networkRecord({ options: { colour: 'blue' } }))).toThrow(/colour/)
    })
  })
}
