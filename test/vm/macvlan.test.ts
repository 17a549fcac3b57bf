/** ipvlan networks, VLANs and dummies, on a kernel that has them all: runs in the guest of test/vm/run. */
import { execFileSync } from 'node:child_process'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'
import { eventually } from '../helpers/eventually.ts'

let daemon: TestDaemon
let client: TestClient

/** A router in a namespace of its own: untagged 10.91.0.1, in VLAN 10 10.92.0.1. */
const router = 'router'

beforeAll(async () => {
  daemon = await TestDaemon.start()
  client = new TestClient(daemon)
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
  execFileSync('ip', ['netns', 'add', router])
  ip(`link add up0 type veth peer name wire netns ${router}`)
  ip('link set up0 up')
  for (const command of [
    'addr add 10.91.0.1/24 dev wire',
    'addr add fd00:91::1/64 dev wire nodad',
    'addr add 192.0.2.1/32 dev wire',
    'link set wire up',
    'link add wire.10 link wire type vlan id 10',
    'addr add 10.92.0.1/24 dev wire.10',
    'link set wire.10 up',
  ]) {
    execFileSync('ip', ['-n', router, ...command.split(' ')])
  }
})
afterEach(async () => {
  await client.clear()
  await client.docker('network', 'prune', '-f')
})
afterAll(async () => {
  await daemon.stop()
  execFileSync('ip', ['netns', 'del', router])
})

function ip(command: string): string {
  return daemon.inNetns('ip', command.split(' ')).trim()
}

const links = (): string[] =>
  (JSON.parse(ip('-j link')) as { ifname: string }[]).map(({ ifname }) => ifname).sort()

const create = (driver: string, name: string, ...more: string[]) =>
  client.docker('network', 'create', '-d', driver, '--subnet', '10.91.0.0/24', ...more, name)

/** Starts the two containers ann and bob on a network, at once. */
const waitAll = (network: string): Promise<unknown> =>
  Promise.all(['ann', 'bob'].map((name) => client.wait(name, '--network', network)))

/** What pings from a running container to these addresses come to. */
async function reached(container: string, ...addresses: string[]): Promise<boolean[]> {
  const ping = (address: string): string => `ping -c 1 -W 3 ${address} >/dev/null 2>&1; echo $?`
  const codes = await client.inside(container, addresses.map(ping).join('; '))
  return codes.split('\n').map((code) => code === '0')
}

const hostReaches = async (address: string): Promise<boolean> =>
  (await daemon.exec('busybox', 'ping', '-c', '1', '-W', '3', address)).code === 0

describe('an ipvlan network', () => {
  const common = ['-o', 'parent=up0', '--gateway', '10.91.0.1']
  const six = ['--ipv6', '--subnet', 'fd00:91::/64', '--gateway', 'fd00:91::1']

  test('of layer 2 is on the wire with its parent’s hardware address, in both families', async () => {
    await create('ipvlan', 'l2', ...common, ...six)
    await waitAll('l2')
    const { MacAddress, Gateway } = (await client.inspect('container', 'ann')).NetworkSettings.Networks['l2']!
    expect([MacAddress, Gateway]).toEqual(['', '10.91.0.1'])
    const address = 'cat /sys/class/net/eth0/address'
    expect(await client.inside('ann', address)).toBe(JSON.parse(ip('-j link show up0'))[0].address)
    expect(await reached('ann', '10.91.0.1', 'fd00:91::1', '192.0.2.1', 'bob')).toEqual([
      true,
      true,
      true,
      true,
    ])
    expect(
      await client.refusal('run', '--network', 'l2', '--mac-address', '02:00:00:00:00:05', 'box', 'true'),
    ).toContain('ipvlan interfaces do not support custom mac address assignment')
  })

  test('of layer 3 routes by the parent, without a gateway', async () => {
    const mode = 'l3'
    await create('ipvlan', mode, '-o', 'parent=up0', '-o', `ipvlan_mode=${mode}`, ...six.slice(0, 3))
    const { Config } = (await client.inspect('network', mode)).IPAM
    expect(Config.map(({ Gateway }) => Gateway)).toEqual([undefined, undefined])
    await waitAll(mode)
    const routes = (await client.inside('ann', 'ip route; echo then; ip -6 route')).split('then\n')
    expect(routes).toEqual([1, 2].map(() => expect.stringMatching(/^default dev eth0/m)))
    expect(routes.join()).not.toMatch(/via/)
    const { Gateway, IPv6Gateway } = (await client.inspect('container', 'ann')).NetworkSettings.Networks[
      mode
    ]!
    expect([Gateway, IPv6Gateway]).toEqual(['', ''])
    expect(await reached('ann', 'bob')).toEqual([true])
  })
})

describe('a VLAN of a parent', () => {
  const vlan = ['network', 'create', '-d', 'macvlan', '-o', 'parent=up0.10', '--subnet']

  test('is made for the first network on it and goes with the last, of either kind', async () => {
    const before = links()
    await client.docker(...vlan, '10.92.0.0/24', '--gateway', '10.92.0.1', 'one')
    const [link] = JSON.parse(ip('-j -d link show up0.10'))
    expect(link).toMatchObject({ link: 'up0', linkinfo: { info_kind: 'vlan', info_data: { id: 10 } } })
    const two = await client.docker(...vlan, '10.93.0.0/24', 'two')
    const three = await client.docker(
      ...['network', 'create', '-d', 'ipvlan', '-o', 'parent=up0.10', '--subnet', '10.94.0.0/24', 'three'],
    )
    await client.wait('ann', '--network', 'one')
    expect(await reached('ann', '10.92.0.1')).toEqual([true])
    await client.remove('ann')
    await client.docker('network', 'rm', 'one')
    await daemon.kill()
    await daemon.launch()
    const [kept] = JSON.parse(ip('-j link show up0.10'))
    expect([`${daemon.mark}:${two}`, `${daemon.mark}:${three}`]).toContain(kept.ifalias)
    await client.docker('network', 'rm', 'two')
    expect(links()).toContain('up0.10')
    await client.docker('network', 'rm', 'three')
    expect(links()).toEqual(before)
  })

  test('and a dummy that somebody removes are made again, and running containers are on them as before', async () => {
    await client.docker(
      ...['network', 'create', '-d', 'ipvlan', '-o', 'parent=up0.10', '--subnet', '10.92.0.0/24', 'one'],
    )
    const id = await client.docker(
      'network',
      'create',
      '-d',
      'macvlan',
      '--subnet',
      '10.95.0.0/24',
      'none-out',
    )
    const place = (network: string, address: string): string[] => ['--network', network, '--ip', address]
    await client.wait('eve', ...place('one', '10.92.0.9'))
    await client.wait('ann', ...place('none-out', '10.95.0.9'))
    await client.wait('bob', ...place('none-out', '10.95.0.10'))
    ip('link del up0.10')
    ip(`link del ${links().find((name) => name.startsWith('dm-') && id.startsWith(name.slice(3)))}`)
    await eventually(async () => expect(await reached('eve', '10.92.0.1')).toEqual([true]))
    await eventually(async () => expect(await reached('ann', '10.95.0.10')).toEqual([true]))
    const { Id } = await client.inspect('container', 'eve')
    execFileSync('nsenter', [`--net=${daemon.execRoot}/netns/${Id}`, 'ip', 'link', 'del', 'eth0'])
    await eventually(async () => expect(await reached('eve', '10.92.0.1')).toEqual([true]))
  })

  test('that is missing after a reboot is made again; one that the user made stays', async () => {
    await client.docker(...vlan, '10.92.0.0/24', '--gateway', '10.92.0.1', 'one')
    await daemon.kill()
    ip('link del up0.10')
    await daemon.launch()
    await client.wait('ann', '--network', 'one')
    expect(await reached('ann', '10.92.0.1')).toEqual([true])
    await client.remove('ann')
    await client.docker('network', 'rm', 'one')
    ip('link add up0.10 link up0 type vlan id 10')
    ip('link set up0.10 up')
    await client.docker(...vlan, '10.92.0.0/24', 'again')
    await client.docker('network', 'rm', 'again')
    expect(links()).toContain('up0.10')
    ip('link del up0.10')
  })
})

test('without a parent a network stands on a dummy, and nothing leads out', async () => {
  const before = links()
  const id = await create('ipvlan', 'alone', '--gateway', '10.91.0.1')
  expect(links()).toContain(`di-${id.slice(0, 12)}`)
  await waitAll('alone')
  expect(await client.inside('ann', '(ip route; ip -6 route) | grep default; true')).toBe('')
  expect(await reached('ann', 'bob')).toEqual([true])
  await client.clear()
  await client.docker('network', 'rm', 'alone')
  expect(links()).toEqual(before)
})

test('host and containers of an ipvlan network reach each other if so wished', async () => {
  const before = links()
  const id = await create(
    ...(['ipvlan', 'open', '-o', 'parent=up0', '-o', 'host-access=true', '-o', 'ipvlan_mode=l3'] as const),
  )
  const { Config } = (await client.inspect('network', 'open')).IPAM
  await client.wait('ann', '--network', 'open')
  expect(await reached('ann', Config[0]!.AuxiliaryAddresses!['host-access']!)).toEqual([true])
  expect(await hostReaches(await client.addressOf('ann', 'open'))).toBe(true)
  expect(links()).toContain(`ish-${id.slice(0, 11)}`)
  await client.clear()
  await client.docker('network', 'rm', 'open')
  expect(links()).toEqual(before)
})
