import { execFileSync } from 'node:child_process'
import { beforeAll, beforeEach, expect, test } from 'vitest'
import type { Cluster, NodeRecord } from '../../src/cluster/cluster.ts'
import { findUnderlay, followUnderlay } from '../../src/engine/underlay.ts'
import { createLogger } from '../../src/log.ts'
import { eventually } from '../helpers/eventually.ts'
import { enterThrowAwayNetns } from '../helpers/firewall-lab.ts'

const ip = (line: string): void => void execFileSync('ip', line.split(' '))

beforeAll(() => enterThrowAwayNetns())
beforeEach(() => {
  for (const name of ['up0', 'up1']) {
    try {
      ip(`link del ${name}`)
    } catch {
      // the first time there is none
    }
    ip(`link add ${name} type veth peer name peer-${name}`)
    ip(`link set ${name} up`)
    ip(`link set peer-${name} up`)
  }
  ip('link set up0 mtu 1400')
  for (const address of ['10.1.0.5/24', '10.1.0.6/24', 'fd00:1::5/64'])
    ip(`addr add ${address} dev up0 nodad`)
  ip('addr add fd00:2::5/64 dev up1 nodad')
})

test('an address of the host is that, with its link’s MTU', () => {
  expect(findUnderlay('10.1.0.6')).toEqual({ address: '10.1.0.6', mtu: 1400 })
  expect(findUnderlay('fd00:2::5')).toEqual({ address: 'fd00:2::5', mtu: 1500 })
})

test('an interface is its first address of global scope, IPv4 before IPv6', () => {
  expect(findUnderlay('up0').address).toBe('10.1.0.5')
  expect(findUnderlay('up1').address).toBe('fd00:2::5')
})

test('nothing is the source address of the default route, of IPv6 where there is no other', () => {
  ip('-6 route add default via fd00:2::1 dev up1')
  expect(findUnderlay('').address).toBe('fd00:2::5')
  ip('route add default via 10.1.0.1 dev up0')
  expect(findUnderlay('').address).toBe('10.1.0.5')
  ip('route replace default via 10.1.0.1 dev up0 src 10.1.0.6')
  expect(findUnderlay('').address).toBe('10.1.0.6')
})

test('what the host does not have is refused, and so is no default route', () => {
  const neither = 'is neither an address of this host nor an interface that has one'
  for (const wrong of ['10.9.9.9', 'up7'])
    expect(() => findUnderlay(wrong)).toThrow(`--advertise ${wrong} ${neither}`)
  expect(() => findUnderlay('')).toThrow(
    'no default route tells at which address the other hosts reach this one',
  )
})

test('another MTU or address of the link is told to the cluster', async () => {
  let self = { address: '10.1.0.5', mtu: 1400 } as NodeRecord
  const cluster = {
    get self() {
      return self
    },
    describe(change: Partial<NodeRecord>) {
      self = { ...self, ...change }
    },
  } as unknown as Cluster
  using _ = followUnderlay(cluster, 'up0', createLogger('silent'))
  ip('link set up0 mtu 1300')
  await eventually(() => expect(self.mtu).toBe(1300))
  ip('addr del 10.1.0.5/24 dev up0')
  await eventually(() => expect(self.address).not.toBe('10.1.0.5'))
})
