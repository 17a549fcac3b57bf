import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parsePodConfig, parseWishes } from '../../../../src/engine/pods/config.ts'
import { openFiles } from '../../../../src/engine/pods/files.ts'
import { podId } from '../../../../src/engine/pods/plan.ts'

const base = { cniVersion: '1.0.0', name: 'pods', type: 'tsnet' }
const parse = (more: object) => parsePodConfig({ ...base, ...more })
const wishes = (config: object, args = '') =>
  parseWishes({
    ...{ command: 'ADD', containerId: 'c', netns: '/n', interfaceName: 'eth0', args },
    config: { ...base, ...config },
  })

describe('a configuration of the plugin', () => {
  test('without more than a name is a bridge that leads out, with a subnet of tsnet’s choice', () => {
    expect(parse({})).toMatchObject({ driver: 'bridge', network: '', options: {}, pools: [], leadsOut: true })
  })

  test('has the usual plugins’ settings, and the driver’s own', () => {
    const options = { 'com.docker.network.bridge.enable_icc': false }
    expect(parse({ bridge: 'b0', ipMasq: false, isGateway: false, mtu: 1400, options }).options).toEqual({
      'com.docker.network.bridge.name': 'b0',
      'com.docker.network.bridge.enable_ip_masquerade': 'false',
      'com.docker.network.bridge.inhibit_ipv4': 'true',
      'com.docker.network.driver.mtu': '1400',
      'com.docker.network.bridge.enable_icc': 'false',
    })
    expect(parse({ driver: 'ipvlan', master: 'eth9', mode: 'l3' }).options).toEqual({
      parent: 'eth9',
      ipvlan_mode: 'l3',
    })
  })

  test('leads out where a route says so, or where nothing is said', () => {
    const routes = (...dsts: string[]) => ({ ipam: { routes: dsts.map((dst) => ({ dst })) } })
    expect(parse(routes('10.0.0.0/8'))).toMatchObject({
      leadsOut: false,
      routes: [{ dst: '10.0.0.0/8', gw: '' }],
    })
    expect(parse(routes('0.0.0.0/0', '10.0.0.0/8')).leadsOut).toBe(true)
    expect(parse({ isDefaultGateway: false }).leadsOut).toBe(false)
  })

  test('has ranges that are blocks, with or without their edges', () => {
    const pools = (range: object) => parse({ ipam: { ranges: [[range]] } }).pools
    const subnet = '10.0.0.0/24'
    expect(pools({ subnet, gateway: '10.0.0.9' })).toEqual([
      { subnet, range: '', gateway: '10.0.0.9', auxiliary: {} },
    ])
    expect(pools({ subnet, rangeStart: '10.0.0.65', rangeEnd: '10.0.0.126' })[0]?.range).toBe('10.0.0.64/26')
    expect(pools({ subnet, rangeStart: '10.0.0.1', rangeEnd: '10.0.0.254' })[0]?.range).toBe('')
    expect(() => pools({ subnet, rangeStart: '10.0.0.10', rangeEnd: '10.0.0.20' })).toThrow(
      'range 10.0.0.10-10.0.0.20 is no block, such as 10.0.0.0-10.0.0.31',
    )
  })

  test('says the same of a network whatever else it says', () => {
    const settings = (more: object) => parse({ ipam: { subnet: '10.0.0.0/24' }, ...more }).settings
    expect(settings({ runtimeConfig: { ips: ['10.0.0.5'] }, dns: { domain: 'x' }, host: 'y' })).toBe(
      settings({}),
    )
    expect(settings({ mtu: 1400 })).not.toBe(settings({}))
  })
})

describe('wishes of a pod', () => {
  test('come as capabilities, as arguments, and in CNI_ARGS', () => {
    expect(
      wishes({ runtimeConfig: { ips: ['10.0.0.5/24', 'fd00::5'], mac: '02:00:00:00:00:0A' } }),
    ).toMatchObject({
      address4: '10.0.0.5',
      address6: 'fd00::5',
      mac: '02:00:00:00:00:0a',
    })
    expect(wishes({ args: { cni: { ips: ['10.0.0.6'] } } }).address4).toBe('10.0.0.6')
    expect(wishes({}, 'IgnoreUnknown=1;IP=10.0.0.7;MAC=02:00:00:00:00:0b')).toMatchObject({
      address4: '10.0.0.7',
      mac: '02:00:00:00:00:0b',
    })
  })

  test('are ports, of which 0 is none, and rates in bits', () => {
    const portMappings = [
      { hostPort: 8080, containerPort: 80, protocol: 'UDP', hostIP: '127.0.0.1' },
      { hostPort: 0, containerPort: 81 },
    ]
    const bandwidth = { ingressRate: 8_000_000, ingressBurst: 80_000, egressRate: 0 }
    const { ports, options } = wishes({ runtimeConfig: { portMappings, bandwidth } })
    expect(ports).toMatchObject([
      { hostPort: 8080, containerPort: 80, protocol: 'udp', hostAddress: '127.0.0.1' },
    ])
    expect(options).toEqual({ 'tsnet.endpoint.rate_in': '8000000bit,burst=10000' })
  })
})

test('a pod’s id is the same for the same interface of the same container, and for no other', () => {
  const id = (containerId: string, interfaceName: string) => podId({ containerId, interfaceName })
  expect(id('a', 'eth0')).toBe(id('a', 'eth0'))
  expect(new Set([id('a', 'eth0'), id('a', 'eth1'), id('b', 'eth0')]).size).toBe(3)
})

test('records in files are there for who opens them next, without those that were cut short', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tsnet-files-'))
  try {
    const first = openFiles<{ n: number }>(directory)
    for (const n of [1, 2, 3]) first.put(`k${n}`, { n })
    first.delete('k2')
    writeFileSync(join(directory, 'k4.json.new'), '{"n"')
    writeFileSync(join(directory, 'k5.json'), '')
    const second = openFiles<{ n: number }>(directory)
    expect([...second.values()]).toEqual([{ n: 1 }, { n: 3 }])
    expect([second.size, second.has('k2'), second.get('k3')]).toEqual([2, false, { n: 3 }])
    expect(readdirSync(directory).sort()).toEqual(['k1.json', 'k3.json'])
  } finally {
    rmSync(directory, { recursive: true })
  }
})
