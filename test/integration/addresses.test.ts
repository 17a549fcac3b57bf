import { once } from 'node:events'
import { request } from 'node:http'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'

const daemon = await TestDaemon.start()
const client = new TestClient(daemon)
const { docker, tsnet, refusal, inspect, remove, wait, inside, addressOf } = client

beforeAll(async () => {
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterEach(async () => {
  await client.clear()
  const left = await docker('network', 'ls', '-q', '--filter', 'type=custom')
  if (left !== '') await docker('network', 'rm', ...left.split('\n'))
})
afterAll(() => daemon.stop())

/** A call of the API that must succeed, or find that there is nothing to do. */
async function call(method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await daemon.api(method, path, body)
  if (answer.status >= 400)
    throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}

const start = (name: string): Promise<unknown> => call('POST', `/containers/${name}/start`)
const stop = (name: string): Promise<unknown> => call('POST', `/containers/${name}/stop?t=0`)

/** A container on `lan`, not started. */
async function create(name: string, address = ''): Promise<void> {
  const settings = address === '' ? {} : { IPAMConfig: { IPv4Address: address } }
  await call('POST', `/containers/create?name=${name}`, {
    Image: 'box',
    Cmd: ['sleep', '600'],
    HostConfig: { NetworkMode: 'lan' },
    NetworkingConfig: { EndpointsConfig: { lan: settings } },
  })
}

function shuffled<T>(list: readonly T[]): T[] {
  return list
    .map((item) => ({ item, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item)
}

/** Each running container's address on `lan`. */
async function addresses(): Promise<Record<string, string>> {
  const network = (await call('GET', '/networks/lan')) as {
    Containers: Record<string, { Name: string; IPv4Address: string }>
  }
  return Object.fromEntries(
    Object.values(network.Containers).map(({ Name, IPv4Address }) => [Name, IPv4Address.split('/')[0]!]),
  )
}

describe('addresses belong to containers, not to their runs', () => {
  const fixed = { 'fixed-a': '10.60.0.3', 'fixed-b': '10.60.0.9' }
  const dynamic = Array.from({ length: 10 }, (_, number) => `dynamic-${number}`)
  const all = [...Object.keys(fixed), ...dynamic]

  it('in 30 random orders of stops, starts and reboots each container finds its own again', async () => {
    await docker('network', 'create', '--subnet', '10.60.0.0/24', 'lan')
    for (const [name, address] of Object.entries(fixed)) await create(name, address)
    for (const name of dynamic) await create(name)
    await Promise.all(shuffled(all).map(start))
    const expected = await addresses()
    expect(expected).toMatchObject(fixed)
    expect(new Set(Object.values(expected)).size).toBe(12)
    for (let round = 0; round < 30; round++) {
      // every tenth time the machine is switched off and on: all are gone, and the daemon knows its records only
      const isReboot = round % 10 === 9
      const chosen = isReboot ? all : shuffled(all).slice(0, 2)
      await Promise.all(chosen.map(stop))
      if (isReboot) {
        await daemon.kill()
        await daemon.launch()
        await Promise.all(shuffled(chosen).map(start))
      } else for (const name of shuffled(chosen)) await start(name)
      expect(await addresses(), `round ${round}`).toEqual(expected)
    }
  }, 120_000)

  it('a stopped one’s goes to another only when no other is left; it then gets what is free', async () => {
    await docker('network', 'create', '--subnet', '10.61.0.0/29', 'lan')
    const names = ['box-a', 'box-b', 'box-c', 'box-d', 'box-e']
    for (const name of names) await wait(name, '--network', 'lan')
    const before = await addresses()
    await stop('box-b')
    await stop('box-a')
    await daemon.kill()
    await daemon.launch()
    await wait('box-f', '--network', 'lan')
    // b was stopped first
    expect((await addresses())['box-f']).toBe(before['box-b'])
    expect(
      await refusal('run', '--rm', '--network', 'lan', '--ip', before['box-c']!, 'box', 'true'),
    ).toContain(`Address already in use: ${before['box-c']} is held by container box-c`)
    await start('box-a')
    expect((await addresses())['box-a']).toBe(before['box-a'])
    expect(await refusal('start', 'box-b')).toMatch(
      /no available addresses on this pool: 10\.61\.0\.0\/29 has 8 addresses.*by container box-c/,
    )
    await remove('box-c')
    await start('box-b')
    expect((await addresses())['box-b']).toBe(before['box-c'])
    // nobody leaves an address behind
    await remove('box-a', 'box-b', 'box-d', 'box-e', 'box-f')
    const status = JSON.parse(await tsnet('network', 'inspect', 'lan'))[0].Status
    expect(status).toEqual({ IPAM: { Subnets: { '10.61.0.0/29': { IPsInUse: 3, DynamicIPsAvailable: 5 } } } })
  })

  it('a start that fails leaves the container its addresses', async () => {
    await docker('network', 'create', '--subnet', '10.62.0.0/29', 'lan')
    await docker('create', '--name', 'broken', '--network', 'lan', '--ip', '10.62.0.5', 'box', '/nothing')
    await refusal('start', 'broken')
    expect(await refusal('run', '--rm', '--network', 'lan', '--ip', '10.62.0.5', 'box', 'true')).toContain(
      '10.62.0.5 is held by container broken',
    )
    await remove('broken')
    expect(
      await docker('run', '--rm', '--network', 'lan', '--ip', '10.62.0.5', 'box', 'hostname', '-i'),
    ).toBe('10.62.0.5')
  })
})

describe('a daemon that is killed', () => {
  it('finds every lease again, and none that nobody has', async () => {
    await docker('network', 'create', '--subnet', '10.63.0.0/24', '--ipv6', '--subnet', 'fd00:63::/64', 'lan')
    const names = Array.from({ length: 12 }, (_, number) => `many-${number}`)
    await Promise.all(names.map((name) => create(name, name === 'many-3' ? '10.63.0.200' : '')))
    await Promise.all(names.map(start))
    await Promise.all(names.slice(0, 4).map(stop))
    const subnets = async () => (await inspect('network', 'lan')).Status?.IPAM.Subnets
    const before = await addresses()
    // A stop is answered before the addresses are given back.
    await expect.poll(subnets).toEqual({
      // two edges, gateway, eight that run, one fixed
      '10.63.0.0/24': { IPsInUse: 12, DynamicIPsAvailable: 244 },
      'fd00:63::/64': { IPsInUse: 10, DynamicIPsAvailable: 2 ** 20 - 10 },
    })
    // in the middle of starts and stops
    const interrupted = [start('many-0'), start('many-3'), stop('many-7')].map((one) => one.catch(() => {}))
    await daemon.kill()
    await Promise.all(interrupted)
    await daemon.launch()
    for (const name of names) await start(name)
    const after = await addresses()
    expect(after).toMatchObject(before)
    expect(after['many-3']).toBe('10.63.0.200')
    expect(new Set(Object.values(after)).size).toBe(12)
    await Promise.all(names.map((name) => call('DELETE', `/containers/${name}?force=1`)))
    expect(await subnets()).toEqual({
      '10.63.0.0/24': { IPsInUse: 3, DynamicIPsAvailable: 253 },
      'fd00:63::/64': { IPsInUse: 2, DynamicIPsAvailable: 2 ** 20 - 2 },
    })
  })
})

describe('subnets', () => {
  it('several of a family are used one after the other', async () => {
    // Docker's client gives subnets in any order.
    await tsnet('network', 'create', '--subnet', '10.64.0.0/30', '--subnet', '10.64.1.0/30', 'lan')
    await wait('one', '--network', 'lan')
    await wait('two', '--network', 'lan')
    expect([await addressOf('one', 'lan'), await addressOf('two', 'lan')]).toEqual(['10.64.0.2', '10.64.1.2'])
    expect(await inside('two', 'ip route')).toContain('default via 10.64.1.1')
    expect(await refusal('run', '--rm', '--network', 'lan', 'box', 'true')).toContain('10.64.0.0/30')
    expect(await inside('one', 'ping -c1 -W2 10.64.1.2')).toContain('1 packets received')
  })

  it('--ipam-driver null gives no addresses, and takes no subnets', async () => {
    const without = ['network', 'create', '--ipam-driver', 'null']
    expect(await refusal(...without, '--subnet', '10.65.0.0/24', 'bare')).toContain(
      'null ipam driver does not handle specific address pool requests',
    )
    // a bridge needs an address itself
    expect(await refusal(...without, 'bare')).toContain('ipv4 pool is empty')
    daemon.inNetns('ip', ['link', 'add', 'parent0', 'type', 'bridge'])
    daemon.inNetns('ip', ['link', 'set', 'parent0', 'up'])
    await docker(...without, '-d', 'macvlan', '-o', 'parent=parent0', 'bare')
    expect((await inspect('network', 'bare')).IPAM).toEqual({ Driver: 'null', Options: {}, Config: [] })
    await wait('empty', '--network', 'bare')
    expect(await inside('empty', 'ip -o addr show eth0')).toBe('')
    expect(await inside('empty', 'cat /sys/class/net/eth0/operstate')).toBe('up')
    // whoever brings addresses along reaches its neighbours
    await wait('other', '--network', 'bare', '--cap-add', 'NET_ADMIN')
    await wait('more', '--network', 'bare', '--cap-add', 'NET_ADMIN')
    await inside('other', 'ip addr add 10.65.0.2/24 dev eth0')
    await inside('more', 'ip addr add 10.65.0.3/24 dev eth0')
    expect(await inside('other', 'ping -c1 -W2 10.65.0.3')).toContain('1 packets received')
    await daemon.kill()
    await daemon.launch()
    expect(await inside('other', 'ping -c1 -W2 10.65.0.3')).toContain('1 packets received')
  })

  it('an unknown address manager is refused by name', async () => {
    expect(await refusal('network', 'create', '--ipam-driver', 'nonsense', 'x')).toContain(
      '"nonsense" not found',
    )
  })
})

interface Told {
  readonly action: string
  readonly attributes: Record<string, string>
}

/** The daemon’s events of overlaps, one after the other as they come. */
function watchEvents(): { ready: Promise<unknown>; next(): Promise<Told>; stop(): void } {
  const filters = encodeURIComponent(JSON.stringify({ event: ['overlap'] }))
  const call = request({ socketPath: daemon.socket, path: `/events?filters=${filters}` })
  const ready = once(call, 'response')
  const lines = ready.then(([response]) => createInterface({ input: response })[Symbol.asyncIterator]())
  call.end()
  return {
    ready,
    next: async () => {
      const { value } = await (await lines).next()
      const { Action: action, Actor } = JSON.parse(value ?? '')
      return { action, attributes: Actor.Attributes }
    },
    stop: () => call.destroy(),
  }
}

describe('the host’s routes', () => {
  const ip = (...args: string[]): string => daemon.inNetns('ip', args)

  beforeAll(() => {
    ip('link', 'add', 'vpn', 'type', 'veth', 'peer', 'name', 'vpn-far')
    ip('addr', 'add', '192.0.2.1/24', 'dev', 'vpn')
    ip('link', 'set', 'vpn', 'up')
    ip('link', 'set', 'vpn-far', 'up')
  })
  afterAll(() => void ip('link', 'del', 'vpn'))

  it('are avoided, wherever they lead and in whichever table they are', async () => {
    await docker('network', 'create', 'first')
    const subnetOf = async (name: string) => (await inspect('network', name)).IPAM.Config[0]?.Subnet
    expect(await subnetOf('first')).toBe('172.18.0.0/24')
    await docker('network', 'rm', 'first')
    ip('route', 'add', '172.18.0.0/24', 'via', '192.0.2.7')
    ip('route', 'add', '172.18.1.0/24', 'dev', 'vpn', 'table', '52')
    ip('route', 'add', 'blackhole', '172.18.2.0/23')
    // a VPN that takes everything leaves room for networks
    ip('route', 'add', '0.0.0.0/1', 'dev', 'vpn')
    ip('route', 'add', '128.0.0.0/1', 'dev', 'vpn')
    await docker('network', 'create', 'second')
    expect(await subnetOf('second')).toBe('172.18.4.0/24')
    for (const route of ['172.18.0.0/24', '172.18.2.0/23', '0.0.0.0/1', '128.0.0.0/1'])
      ip('route', 'del', route)
    ip('route', 'del', '172.18.1.0/24', 'table', '52')
  })

  it('a subnet of the user’s choice may overlap one, with a warning', async () => {
    const create = async (name: string, subnet: string): Promise<string> => {
      const config = { Name: name, IPAM: { Config: [{ Subnet: subnet }] } }
      return ((await call('POST', '/networks/create', config)) as { Warning: string }).Warning
    }
    expect(await create('mine', '192.0.2.128/25')).toBe(
      "subnet 192.0.2.128/25 overlaps the host's route to 192.0.2.0/24 on vpn: of the addresses that both have, " +
        'those behind one of them cannot be reached',
    )
    expect(await create('quiet', '10.66.0.0/24')).toBe('')
    expect(await create('four', 'fd00:66::/64')).toBe(
      'subnet fd00:66::/64 is not used: network four has no IPv6, which --ipv6 gives it',
    )
    expect(await refusal('network', 'create', '--subnet', '10.66.0.0/16', 'over')).toContain(
      'Pool overlaps with other one on this address space: 10.66.0.0/16 overlaps 10.66.0.0/24 of network quiet',
    )
  })

  it('link-local routes, which every link has, are no reason for a warning', async () => {
    const config = { Name: 'local', EnableIPv6: true, IPAM: { Config: [{ Subnet: 'fe80::/64' }] } }
    expect(await call('POST', '/networks/create', config)).toMatchObject({ Warning: '' })
    await docker('network', 'rm', 'local')
  })

  it('one that comes to lie over a network’s subnet is told at once, and once only', async () => {
    await docker('network', 'create', '--subnet', '10.67.0.0/24', '--subnet', 'fd00:67::/64', '--ipv6', 'lan')
    const events = watchEvents()
    await events.ready
    ip('route', 'add', '10.67.0.0/16', 'via', '192.0.2.7')
    const added = Date.now()
    expect(await events.next()).toEqual({
      action: 'overlap',
      attributes: {
        name: 'lan',
        type: 'bridge',
        subnet: '10.67.0.0/24',
        route: '10.67.0.0/16',
        gateway: '192.0.2.7',
        interface: 'vpn',
      },
    })
    expect(Date.now() - added).toBeLessThan(5000)
    ip('route', 'add', 'fd00:67::/56', 'dev', 'vpn')
    expect(await events.next()).toMatchObject({
      attributes: { subnet: 'fd00:67::/64', route: 'fd00:67::/56' },
    })
    // of no concern to any network, or told already
    ip('route', 'add', '10.68.0.0/16', 'via', '192.0.2.7')
    ip('route', 'add', '0.0.0.0/1', 'dev', 'vpn')
    ip('route', 'replace', '10.67.0.0/16', 'via', '192.0.2.8')
    ip('route', 'del', 'fd00:67::/56', 'dev', 'vpn')
    ip('route', 'add', 'fd00:67::/56', 'dev', 'vpn')
    expect(await events.next()).toMatchObject({ attributes: { route: 'fd00:67::/56' } })
    events.stop()
    for (const route of ['10.67.0.0/16', '10.68.0.0/16', '0.0.0.0/1']) ip('route', 'del', route)
    ip('route', 'del', 'fd00:67::/56', 'dev', 'vpn')
  })
})
