import { expect, test } from 'vitest'
import { type EntryChange, PeerTable, type Place } from '../../../src/drivers/overlay/peer-table.ts'

const place = (mac: string, via: string, ...addresses: string[]): Place => ({ mac, via, addresses })
const forwarding = (mac: string, via: string | null): EntryChange => ({ kind: 'forwarding', mac, via })
const neighbour = (address: string, mac: string | null, moved = false): EntryChange => ({
  kind: 'neighbour',
  address,
  mac,
  moved,
})

/** What the kernel has after these changes. */
function apply(changes: readonly EntryChange[], kernel = new Map<string, string>()): Map<string, string> {
  for (const change of changes) {
    const [key, value] =
      change.kind === 'forwarding' ? [change.mac, change.via] : [change.address, change.mac]
    if (value === null) kernel.delete(key)
    else kernel.set(key, value)
  }
  return kernel
}

test('an endpoint of another host needs one entry for its hardware address and one for each address', () => {
  const table = new PeerTable()
  expect(table.set('a', place('m1', 'h1', '10.0.0.2', 'fd00::2'))).toEqual([
    forwarding('m1', 'h1'),
    neighbour('10.0.0.2', 'm1'),
    neighbour('fd00::2', 'm1'),
  ])
  expect(table.set('a', place('m1', 'h1', '10.0.0.2', 'fd00::2'))).toEqual([])
  expect([table.hostOf('m1'), table.macOf('fd00::2')]).toEqual(['h1', 'm1'])
  expect(table.set('a', null)).toEqual([
    forwarding('m1', null),
    neighbour('10.0.0.2', null),
    neighbour('fd00::2', null),
  ])
  expect([...table.entries()]).toEqual([])
})

test('an endpoint that is on another host now changes one entry', () => {
  const table = new PeerTable()
  table.set('a', place('m1', 'h1', '10.0.0.2'))
  expect(table.set('a', place('m1', 'h2', '10.0.0.2'))).toEqual([forwarding('m1', 'h2')])
})

test('an address with another hardware address is told as moved, also after a time as nobody’s', () => {
  const table = new PeerTable()
  table.set('a', place('m1', 'h1', '10.0.0.2'))
  expect(table.set('b', place('m2', 'h2', '10.0.0.2'))).toEqual([
    forwarding('m2', 'h2'),
    neighbour('10.0.0.2', 'm2', true),
  ])
  // the earlier one goes without what it has not any more
  expect(table.set('a', null)).toEqual([forwarding('m1', null)])
  table.set('b', null)
  expect(table.set('c', place('m3', 'h1', '10.0.0.2'))).toContainEqual(neighbour('10.0.0.2', 'm3', true))
  table.set('c', null)
  expect(table.set('d', place('m3', 'h2', '10.0.0.2'))).toContainEqual(neighbour('10.0.0.2', 'm3', false))
})

test('who was displaced has it again when the other goes', () => {
  const table = new PeerTable()
  const kernel = apply(table.set('a', place('m1', 'h1', '10.0.0.2')))
  apply(table.set('b', place('m1', 'h2', '10.0.0.2')), kernel)
  expect(kernel.get('m1')).toBe('h2')
  apply(table.set('b', null), kernel)
  expect(Object.fromEntries(kernel)).toEqual({ m1: 'h1', '10.0.0.2': 'm1' })
})

test('what an endpoint of this host has is nobody else’s, whoever says so before or after', () => {
  const table = new PeerTable()
  const kernel = apply(table.set('a', place('m1', 'h1', '10.0.0.2', '10.0.0.3')))
  apply(table.set('own', place('m1', '', '10.0.0.2')), kernel)
  expect(Object.fromEntries(kernel)).toEqual({ '10.0.0.3': 'm1' })
  expect(table.set('b', place('m1', 'h2', '10.0.0.2'))).toEqual([])
  expect([table.hostOf('m1'), table.macOf('10.0.0.2')]).toEqual([undefined, undefined])
  apply(table.set('b', null), kernel)
  apply(table.set('own', null), kernel)
  expect(Object.fromEntries(kernel)).toEqual({ m1: 'h1', '10.0.0.2': 'm1', '10.0.0.3': 'm1' })
})

test('an endpoint of this host whose hardware address is not known yet keeps its addresses to itself', () => {
  const table = new PeerTable()
  expect(table.set('own', place('', '', '10.0.0.2'))).toEqual([])
  expect(table.set('own', place('m1', '', '10.0.0.2'))).toEqual([])
  expect(table.set('a', place('m2', 'h1', '10.0.0.2'))).toEqual([forwarding('m2', 'h1')])
})

test('whatever comes and goes, the entries are those of who is there', () => {
  const table = new PeerTable()
  const kernel = new Map<string, string>()
  let seed = 7
  const random = (below: number): number => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31
    return Math.floor((seed / 2 ** 31) * below)
  }
  const ids = ['a', 'b', 'c', 'd', 'own']
  for (let round = 0; round < 5000; round++) {
    const id = ids[random(ids.length)]!
    const via = id === 'own' ? '' : `h${random(2)}`
    const some = place(`m${random(3)}`, via, `10.0.0.${random(3)}`)
    apply(table.set(id, random(3) === 0 ? null : some), kernel)
    expect(kernel).toEqual(apply([...table.entries()]))
  }
  for (const id of ids) apply(table.set(id, null), kernel)
  expect(kernel.size).toBe(0)
})
