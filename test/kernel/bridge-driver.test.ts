/** What the bridge driver does beyond the contract: options, repair, and respect for what is not its own. */
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createBridgeDriver } from '../../src/drivers/bridge/index.ts'
import type { Sandbox } from '../../src/sandbox/sandbox.ts'
import type { NetworkRecord } from '../../src/store/records.ts'
import { inNetns } from '../../src/sys/netns.ts'
import { bridgeName, hostVethName } from '../../src/values/interface-name.ts'
import {
  canReach,
  context,
  endpointSpec,
  globalAddresses,
  type InterfaceView,
  ipJson,
  networkRecord,
  sandboxes,
} from '../contract/driver.contract.ts'
import { enterThrowAwayNetns, ip } from '../helpers/firewall-lab.ts'

const bridgeDriver = createBridgeDriver()
let places: ReturnType<typeof sandboxes>

beforeAll(enterThrowAwayNetns)

beforeEach(() => {
  places = sandboxes()
})

afterEach(async () => {
  places.closeAll()
  await bridgeDriver.sweep?.(context, [], [])
  await bridgeDriver.settle?.()
  for (const { ifname } of ipJson<InterfaceView>('link')) if (ifname !== 'lo') removeIfThere(ifname)
})

/** A veth's other end goes with it. */
function removeIfThere(name: string): void {
  if (ipJson<InterfaceView>('link').some(({ ifname }) => ifname === name)) ip(`link del ${name}`)
}

function withOptions(options: Record<string, string>, part: Partial<NetworkRecord> = {}): NetworkRecord {
  return networkRecord({ options, ...part })
}

/** The link with its addresses; ip(8) shows the alias in the one list and the addresses in the other. */
function view(name: string): InterfaceView {
  const [link] = ipJson<InterfaceView>(`link show dev ${name}`)
  return { ...link!, ...ipJson<InterfaceView>(`addr show dev ${name}`)[0]! }
}

const sysctl = (path: string) => readFileSync(`/proc/sys/net/${path}`, 'utf8').trim()

describe('the bridge', () => {
  test('carries its owner’s tag, the gateways, no spanning tree and an address of its own that stays', async () => {
    const network = networkRecord()
    const rules = await bridgeDriver.createNetwork(context, network)
    const name = bridgeName(network.id)
    expect(rules).toMatchObject([
      { kind: 'bridge', family: 4, interface: name, subnet: '10.91.0.0/24', masquerade: true },
      { kind: 'bridge', family: 6, interface: name, subnet: 'fd00:91::/64', masquerade: true },
    ])
    const before = view(name)
    expect(before.ifalias).toBe(`tsnet:${network.id}`)
    expect(globalAddresses(before)).toEqual(['10.91.0.1/24', 'fd00:91::1/64'])
    expect(ipJson(`-d link show ${name}`)).toMatchObject([{ linkinfo: { info_data: { stp_state: 0 } } }])
    await bridgeDriver.attach(context, endpointSpec(network, 2), places.open())
    expect(view(name).address).toBe(before.address)
  })

  test('passes on what is published on loopback, and lets no container change the host’s routes', async () => {
    const network = networkRecord()
    await bridgeDriver.createNetwork(context, network)
    expect(sysctl(`ipv4/conf/${bridgeName(network.id)}/route_localnet`)).toBe('1')
    expect(sysctl(`ipv6/conf/${bridgeName(network.id)}/accept_ra`)).toBe('0')
  })

  test('is repaired: address, MTU, state and tag come back', async () => {
    const network = withOptions({ 'com.docker.network.driver.mtu': '1300' })
    await bridgeDriver.createNetwork(context, network)
    const name = bridgeName(network.id)
    ip(`addr del 10.91.0.1/24 dev ${name}`)
    ip(`addr add 10.91.0.9/24 dev ${name}`)
    ip(`link set ${name} down mtu 1400 alias `)
    await bridgeDriver.createNetwork(context, network)
    const repaired = view(name)
    expect(repaired).toMatchObject({ mtu: 1300, ifalias: `tsnet:${network.id}` })
    expect(repaired.flags).toContain('UP')
    expect(globalAddresses(repaired)).toEqual(['10.91.0.1/24', 'fd00:91::1/64'])
  })

  test('is made again by the next attach when somebody has deleted it', async () => {
    const network = networkRecord()
    await bridgeDriver.createNetwork(context, network)
    ip(`link del ${bridgeName(network.id)}`)
    const sandbox = places.open()
    await bridgeDriver.attach(context, endpointSpec(network, 2), sandbox)
    expect(canReach(sandbox, '10.91.0.1')).toBe(true)
  })

  test('of a removed network is disarmed at once, and goes by itself when it is quiet', async () => {
    const network = withOptions({ 'com.docker.network.bridge.name': 'br-mine' })
    await bridgeDriver.createNetwork(context, network)
    await bridgeDriver.removeNetwork(context, network)
    const left = ipJson<InterfaceView>('addr').filter(({ ifname }) => ifname !== 'lo')
    expect(left).toMatchObject([{ ifname: expect.stringMatching(/^gone\d+$/), addr_info: [] }])
    expect(left[0]!.flags).not.toContain('UP')
    await until(() => ipJson('link').length === 1, 5000)
  })

  test('that a killed daemon had not yet freed is removed by the next one’s sweep', async () => {
    const [network, kept] = [networkRecord(), networkRecord({ pools: [] })]
    await bridgeDriver.createNetwork(context, network)
    await bridgeDriver.createNetwork(context, kept)
    await bridgeDriver.removeNetwork(context, network)
    await createBridgeDriver().sweep?.(context, [kept], [])
    expect(ipJson<InterfaceView>('link').map(({ ifname }) => ifname)).toEqual(['lo', bridgeName(kept.id)])
  })

  test('that is made again has the hardware address that its containers know', async () => {
    const network = networkRecord()
    await bridgeDriver.createNetwork(context, network)
    const { address } = view(bridgeName(network.id))
    ip(`link del ${bridgeName(network.id)}`)
    await bridgeDriver.createNetwork(context, network)
    expect(view(bridgeName(network.id)).address).toBe(address)
  })

  test('may be named, and is removed under that name', async () => {
    const network = withOptions({ 'com.docker.network.bridge.name': 'br-mine' })
    await bridgeDriver.createNetwork(context, network)
    expect(view('br-mine').ifalias).toBe(`tsnet:${network.id}`)
    await bridgeDriver.removeNetwork(context, network)
    await bridgeDriver.settle?.()
    expect(ipJson('link')).toHaveLength(1)
  })

  test('whose creation was cut short before its tag is taken up, and removed with its network', async () => {
    const network = withOptions({ 'com.docker.network.bridge.name': 'br-mine' })
    ip(`link add ${bridgeName(network.id)} type bridge`)
    await bridgeDriver.createNetwork(context, network)
    expect(ipJson<InterfaceView>('link').map(({ ifname }) => ifname)).toEqual(['lo', 'br-mine'])
    ip('link del br-mine')
    ip(`link add ${bridgeName(network.id)} type bridge`)
    await bridgeDriver.removeNetwork(context, network)
    await bridgeDriver.settle?.()
    expect(ipJson('link')).toHaveLength(1)
  })

  test('that the user made is used as it is, and stays', async () => {
    ip('link add br-user mtu 1300 type bridge')
    ip('addr add 192.0.2.77/24 dev br-user')
    const network = withOptions({ 'com.docker.network.bridge.name': 'br-user' })
    await bridgeDriver.createNetwork(context, network)
    const used = view('br-user')
    expect(globalAddresses(used).sort()).toEqual(['10.91.0.1/24', '192.0.2.77/24', 'fd00:91::1/64'])
    expect([used.mtu, used.ifalias]).toEqual([1300, undefined])
    const sandbox = places.open()
    await bridgeDriver.attach(context, endpointSpec(network, 2), sandbox)
    expect(canReach(sandbox, '192.0.2.77')).toBe(true)
    await bridgeDriver.removeNetwork(context, network)
    await bridgeDriver.sweep?.(context, [], [])
    expect(view('br-user').ifname).toBe('br-user')
  })

  test('takes no name that another network or another kind of link has', async () => {
    const first = withOptions({ 'com.docker.network.bridge.name': 'br-one' })
    await bridgeDriver.createNetwork(context, first)
    const second = withOptions({ 'com.docker.network.bridge.name': 'br-one' }, { name: 'second' })
    await expect(bridgeDriver.createNetwork(context, second)).rejects.toMatchObject({
      kind: 'forbidden',
      message:
        'cannot create network second (br-one): conflicts with network contract (br-one): networks have same bridge name',
    })
    ip('link add v-user type veth peer name v-peer')
    const third = withOptions({ 'com.docker.network.bridge.name': 'v-user' }, { name: 'third' })
    await expect(bridgeDriver.createNetwork(context, third)).rejects.toMatchObject({
      kind: 'conflict',
      message: 'network third: interface v-user exists and is a veth, not a bridge: give another name',
    })
  })

  test('has no IPv4 gateway when that is inhibited', async () => {
    const network = withOptions({ 'com.docker.network.bridge.inhibit_ipv4': 'true' })
    await bridgeDriver.createNetwork(context, network)
    expect(globalAddresses(view(bridgeName(network.id)))).toEqual(['fd00:91::1/64'])
  })
})

describe('gateway modes', () => {
  test('isolated leaves the bridge without an address of that family, and containers reach each other still', async () => {
    const isolated = { 'com.docker.network.bridge.gateway_mode_ipv6': 'isolated' }
    const network = withOptions(
      { 'com.docker.network.bridge.gateway_mode_ipv4': 'isolated', ...isolated },
      { internal: true },
    )
    const rules = await bridgeDriver.createNetwork(context, network)
    expect(rules).toMatchObject([
      { mode: 'isolated', internal: true },
      { mode: 'isolated', internal: true },
    ])
    expect(view(bridgeName(network.id)).addr_info).toEqual([])
    const [one, two] = [places.open(), places.open()]
    const none = { gateway4: '', gateway6: '' }
    await bridgeDriver.attach(context, endpointSpec(network, 2, none), one)
    await bridgeDriver.attach(context, endpointSpec(network, 3, none), two)
    expect([canReach(one, '10.91.0.3'), canReach(one, 'fd00:91::3')]).toEqual([true, true])
    const half = withOptions(isolated, { name: 'half', internal: true })
    await bridgeDriver.createNetwork(context, half)
    expect(view(bridgeName(half.id)).addr_info.map(({ local }) => local)).toEqual(['10.91.0.1'])
  })
})

describe('the MTU', () => {
  test('is that of the way out, on bridge and both ends', async () => {
    ip('link add out mtu 1380 type veth peer name far')
    ip('addr add 192.0.2.2/24 dev out')
    ip('link set out up')
    ip('link set far up')
    ip('route add default via 192.0.2.1')
    const network = networkRecord()
    const endpoint = endpointSpec(network, 2)
    await bridgeDriver.createNetwork(context, network)
    const sandbox = places.open()
    await bridgeDriver.attach(context, endpoint, sandbox)
    expect(view(bridgeName(network.id)).mtu).toBe(1380)
    expect(view(hostVethName(endpoint.id)).mtu).toBe(1380)
    expect(ipJson<InterfaceView>('link show eth0', sandbox)[0]!.mtu).toBe(1380)
  })

  test('is never below what IPv6 needs on a network that has it', async () => {
    ip('link add out mtu 1000 type veth peer name far')
    ip('addr add 192.0.2.2/24 dev out')
    ip('link set out up')
    ip('link set far up')
    ip('route add default via 192.0.2.1')
    const network = networkRecord()
    await bridgeDriver.createNetwork(context, network)
    expect(view(bridgeName(network.id)).mtu).toBe(1280)
    const small = withOptions({ 'com.docker.network.driver.mtu': '1000' }, { name: 'small' })
    await expect(bridgeDriver.createNetwork(context, small)).rejects.toMatchObject({
      kind: 'invalid',
      message:
        'network small: an MTU of 1000 is too small for IPv6, which needs 1280: give a larger one, or no IPv6',
    })
  })

  test('is 1500 where nothing leads out, and the given one where one is given', async () => {
    const [plain, jumbo] = [
      networkRecord({ pools: [] }),
      withOptions({ 'com.docker.network.driver.mtu': '9000' }),
    ]
    await bridgeDriver.createNetwork(context, plain)
    await bridgeDriver.createNetwork(context, jumbo)
    expect(view(bridgeName(plain.id)).mtu).toBe(1500)
    expect(view(bridgeName(jumbo.id)).mtu).toBe(9000)
  })
})

const wrong = '02:00:00:00:00:99'

/** Makes a sandbox believe that the second endpoint is at another hardware address. */
function knowWrong(sandbox: Sandbox): void {
  inNetns(sandbox.netns, () => {
    for (const address of ['10.91.0.2', 'fd00:91::2'])
      ip(`neigh replace ${address} lladdr ${wrong} dev eth0 nud reachable`)
  })
}

function known(sandbox: Sandbox): { dst: string; lladdr?: string }[] {
  return ipJson<{ dst: string; lladdr?: string }>('neigh show dev eth0', sandbox)
}

async function until(condition: () => boolean, patience = 900): Promise<void> {
  const end = Date.now() + patience
  while (!condition() && Date.now() < end) await delay(10)
  expect(condition()).toBe(true)
}

describe('endpoints', () => {
  test('are veth pairs whose near end is a tagged port of the bridge', async () => {
    const network = networkRecord()
    const endpoint = endpointSpec(network, 2)
    await bridgeDriver.createNetwork(context, network)
    await bridgeDriver.attach(context, endpoint, places.open())
    expect(ipJson(`link show ${hostVethName(endpoint.id)}`)).toMatchObject([
      {
        master: bridgeName(network.id),
        ifalias: `tsnet:${endpoint.id}`,
        flags: expect.arrayContaining(['UP']),
      },
    ])
  })

  test('have one queue each way from birth, so that the kernel waits for no processor to take others away', async () => {
    const network = networkRecord()
    const endpoint = endpointSpec(network, 2)
    await bridgeDriver.createNetwork(context, network)
    const sandbox = places.open()
    await bridgeDriver.attach(context, endpoint, sandbox)
    const ends = [ipJson(`-d link show ${hostVethName(endpoint.id)}`), ipJson('-d link show eth0', sandbox)]
    for (const end of ends) expect(end).toMatchObject([{ num_tx_queues: 1, num_rx_queues: 1 }])
  })

  test('do not reach each other with enable_icc=false, but the gateway', async () => {
    const network = withOptions({ 'com.docker.network.bridge.enable_icc': 'false' })
    await bridgeDriver.createNetwork(context, network)
    const [one, two] = [places.open(), places.open()]
    await bridgeDriver.attach(context, endpointSpec(network, 2), one)
    await bridgeDriver.attach(context, endpointSpec(network, 3), two)
    const reached = ['10.91.0.1', '10.91.0.3', 'fd00:91::1', 'fd00:91::3'].map((address) =>
      canReach(one, address),
    )
    expect(reached).toEqual([true, false, true, false])
  })

  test('have their hardware address in one spelling', async () => {
    const network = networkRecord()
    await bridgeDriver.createNetwork(context, network)
    const loud = endpointSpec(network, 2, { mac: '02-AB-00-00-00-05' })
    expect((await bridgeDriver.attach(context, loud, places.open())).mac).toBe('02:ab:00:00:00:05')
  })

  test('have IPv6 switched off on a network without it', async () => {
    const network = networkRecord({ pools: [networkRecord().pools[0]!] })
    await bridgeDriver.createNetwork(context, network)
    const sandbox = places.open()
    const endpoint = endpointSpec(network, 2, { address6: '', gateway6: '' })
    const attachment = await bridgeDriver.attach(context, endpoint, sandbox)
    expect(attachment).toMatchObject({ address6: '', gateway6: '' })
    const [inside] = ipJson<InterfaceView>('addr show eth0', sandbox)
    expect(inside!.addr_info.map(({ family }) => family)).toEqual(['inet'])
  })

  test('ask their neighbours nothing when they come up: whose addresses are whose is settled, and who routes', async () => {
    const network = networkRecord()
    const sandbox = places.open()
    await bridgeDriver.createNetwork(context, network)
    const endpoint = endpointSpec(network, 2)
    await bridgeDriver.attach(context, endpoint, sandbox)
    expect(view(hostVethName(endpoint.id)).addr_info).toEqual([])
    const inside = ipJson<InterfaceView>('addr show dev eth0 tentative', sandbox)
    expect(inside.flatMap(({ addr_info = [] }) => addr_info)).toEqual([])
    const solicitations = 'ipv6/conf/eth0/router_solicitations'
    expect(inNetns(sandbox.netns, (() => sysctl(solicitations)) as () => never)).toBe('0')
  })

  test('have one link-local address, the kernel’s own of their hardware address, unless their sysctls make it otherwise', async () => {
    const network = networkRecord()
    await bridgeDriver.createNetwork(context, network)
    const linkLocals = async (address: number, sysctls: Record<string, string>): Promise<string[]> => {
      const sandbox = places.open()
      const endpoint = endpointSpec(network, address, { mac: `02:00:00:00:00:0${address}`, sysctls })
      await bridgeDriver.attach(context, endpoint, sandbox)
      const [{ addr_info }] = ipJson<InterfaceView>('addr show dev eth0', sandbox) as [InterfaceView]
      return addr_info.map(({ local }) => local).filter((local) => local.startsWith('fe80:'))
    }
    expect(await linkLocals(2, {})).toEqual(['fe80::ff:fe00:2'])
    expect(await linkLocals(3, { 'net/ipv6/conf/eth0/addr_gen_mode': '1' })).toEqual([])
    const stable = await linkLocals(4, { 'net/ipv6/conf/eth0/stable_secret': '2001:db8::1' })
    expect(stable).toEqual([expect.not.stringMatching(/ff:fe/)])
  })

  test('with a reused address are reached at once, though the host knew another hardware address', async () => {
    const network = networkRecord()
    await bridgeDriver.createNetwork(context, network)
    const name = bridgeName(network.id)
    for (const address of ['10.91.0.2', 'fd00:91::2']) {
      ip(`neigh replace ${address} lladdr 02:00:00:00:00:99 dev ${name} nud reachable`)
    }
    const sandbox = places.open()
    await bridgeDriver.attach(context, endpointSpec(network, 2), sandbox)
    const known = ipJson<{ dst: string; lladdr?: string }>(`neigh show dev ${name}`)
    expect(known.filter(({ lladdr }) => lladdr === '02:00:00:00:00:99')).toEqual([])
    expect(canReach(sandbox, '10.91.0.1')).toBe(true)
  })

  test('with a reused address are reached at once by neighbours that knew another hardware address', async () => {
    const network = networkRecord()
    await bridgeDriver.createNetwork(context, network)
    const neighbour = places.open()
    await bridgeDriver.attach(context, endpointSpec(network, 3), neighbour)
    knowWrong(neighbour)
    await bridgeDriver.attach(context, endpointSpec(network, 2), places.open())
    // Of three announcements only the first comes before the next second.
    await until(() => known(neighbour).every(({ lladdr }) => lladdr !== wrong))
    const began = performance.now()
    expect(canReach(neighbour, '10.91.0.2') && canReach(neighbour, 'fd00:91::2')).toBe(true)
    // A packet that goes astray is lost for the whole second that a ping waits.
    expect(performance.now() - began).toBeLessThan(900)
  })

  test('announce their addresses again, as often as the network says, and no more when they are detached', async () => {
    const network = withOptions({
      'com.docker.network.advertise_addr_nmsgs': '2',
      'com.docker.network.advertise_addr_ms': '100',
    })
    await bridgeDriver.createNetwork(context, network)
    const neighbour = places.open()
    await bridgeDriver.attach(context, endpointSpec(network, 3), neighbour)
    const stillWrong = () => known(neighbour).filter(({ lladdr }) => lladdr === wrong).length
    const [endpoint, sandbox] = [endpointSpec(network, 2), places.open()]
    knowWrong(neighbour)
    await bridgeDriver.attach(context, endpoint, sandbox)
    await until(() => stillWrong() === 0)
    knowWrong(neighbour)
    await until(() => stillWrong() === 0)
    knowWrong(neighbour)
    await delay(250)
    expect(stillWrong()).toBe(2)
    await bridgeDriver.detach(context, endpoint, sandbox)
    await bridgeDriver.attach(context, endpoint, sandbox)
    await bridgeDriver.detach(context, endpoint, sandbox)
    knowWrong(neighbour)
    await delay(250)
    expect(stillWrong()).toBe(2)
  })

  test('announce once an address that nobody had before, and again one that had another hardware address', async () => {
    const network = withOptions({ 'com.docker.network.advertise_addr_ms': '100' })
    await bridgeDriver.createNetwork(context, network)
    const neighbour = places.open()
    await bridgeDriver.attach(context, endpointSpec(network, 3), neighbour)
    const stillWrong = () => known(neighbour).filter(({ lladdr }) => lladdr === wrong).length
    const announced = async (): Promise<boolean> => {
      const endpoint = endpointSpec(network, 2)
      const sandbox = places.open()
      knowWrong(neighbour)
      await bridgeDriver.attach(context, endpoint, sandbox)
      await until(() => stillWrong() === 0)
      knowWrong(neighbour)
      await delay(350)
      await bridgeDriver.detach(context, endpoint, sandbox)
      return stillWrong() === 0
    }
    expect([await announced(), await announced()]).toEqual([false, true])
  })

  test('announce nothing where the network says so', async () => {
    const network = withOptions({ 'com.docker.network.advertise_addr_nmsgs': '0' })
    await bridgeDriver.createNetwork(context, network)
    const neighbour = places.open()
    await bridgeDriver.attach(context, endpointSpec(network, 3), neighbour)
    knowWrong(neighbour)
    await bridgeDriver.attach(context, endpointSpec(network, 2), places.open())
    await delay(50)
    expect(known(neighbour).filter(({ lladdr }) => lladdr === wrong)).toHaveLength(2)
  })

  test('whose creation was cut short before the tag are replaced by the next attach, and removed by detach', async () => {
    const network = networkRecord()
    await bridgeDriver.createNetwork(context, network)
    const endpoint = endpointSpec(network, 2)
    const sandbox = places.open()
    const leave = () => ip(`link add ${hostVethName(endpoint.id)} type veth peer name left`)
    leave()
    await bridgeDriver.attach(context, endpoint, sandbox)
    expect(canReach(sandbox, '10.91.0.1')).toBe(true)
    await bridgeDriver.detach(context, endpoint, null)
    leave()
    await bridgeDriver.detach(context, endpoint, null)
    expect(ipJson('link')).toHaveLength(2)
  })

  test('never take or remove a link of that name which belongs to somebody else', async () => {
    const network = networkRecord()
    await bridgeDriver.createNetwork(context, network)
    const endpoint = endpointSpec(network, 2)
    const name = hostVethName(endpoint.id)
    ip(`link add ${name} type veth peer name other`)
    ip(`link set ${name} alias mine`)
    const sandbox = places.open()
    await expect(bridgeDriver.attach(context, endpoint, sandbox)).rejects.toMatchObject({ kind: 'conflict' })
    await bridgeDriver.detach(context, endpoint, null)
    await bridgeDriver.sweep?.(context, [network], [])
    expect(view(name).ifalias).toBe('mine')
  })

  test('take a sandbox that already has another network, and keep its default route', async () => {
    const first = networkRecord()
    const second = networkRecord({
      pools: [{ subnet: '10.93.0.0/24', range: '', gateway: '10.93.0.1', auxiliary: {} }],
    })
    await bridgeDriver.createNetwork(context, first)
    await bridgeDriver.createNetwork(context, second)
    const sandbox = places.open()
    await bridgeDriver.attach(context, endpointSpec(first, 2), sandbox)
    const more = {
      interfaceName: 'eth1',
      address4: '10.93.0.2/24',
      address6: '',
      gateway4: '10.93.0.1',
      gateway6: '',
      defaultRoute4: false,
      defaultRoute6: false,
    }
    expect(await bridgeDriver.attach(context, endpointSpec(second, 2, more), sandbox)).toMatchObject({
      gateway4: '10.93.0.1',
    })
    expect(canReach(sandbox, '10.93.0.1')).toBe(true)
    expect(ipJson('route show default', sandbox)).toMatchObject([{ gateway: '10.91.0.1', dev: 'eth0' }])
    expect(inNetns(sandbox.netns, () => ip('-o link').split('\n').length)).toBe(4)
  })
})
