import { mkdtempSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { TunnelKeys } from '../../../src/drivers/overlay/keys.ts'
import { Rotation } from '../../../src/drivers/overlay/rotation.ts'
import { nodeRecord, ToldCluster } from '../../helpers/told-cluster.ts'

let directory: string
let keys: TunnelKeys
let cluster: ToldCluster
let rotation: Rotation
let partners: readonly string[]
let warnings: string[]
const age = (milliseconds: number): void => {
  const then = (Date.now() - milliseconds) / 1000
  utimesSync(join(directory, 'keys'), then, then)
}
const hours = 3_600_000

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  directory = mkdtempSync(join(tmpdir(), 'tsnet-rotation-'))
  keys = new TunnelKeys(join(directory, 'keys'))
  const { publicKey } = keys.current
  cluster = new ToldCluster(nodeRecord('h1', '192.0.2.1', { publicKey }))
  partners = []
  warnings = []
  rotation = new Rotation({
    cluster: cluster.cluster,
    keys,
    partners: () => new Set(partners),
    switchKey: () => keys.advance(),
    log: () => ({ info: () => {}, warn: (what: string) => void warnings.push(what) }) as never,
  })
})
afterEach(() => {
  rotation[Symbol.dispose]()
  vi.useRealTimers()
  rmSync(directory, { recursive: true })
})

/** Time for one look. */
const look = (): Promise<unknown> => vi.advanceTimersByTimeAsync(10_000)
/** The cluster tells this host what it has said of itself, as it tells all. */
const echo = (): void => cluster.nodes.tell([['h1', cluster.self]])

test('a key of less than a day stays', async () => {
  age(23 * hours)
  const before = cluster.self
  await look()
  expect(cluster.self).toEqual(before)
  expect(keys.next).toBeNull()
})

test('an older one is exchanged: announced, confirmed by every partner, in force when that is heard', async () => {
  const before = keys.current.publicKey
  partners = ['h2', 'h3']
  age(25 * hours)
  await look()
  const next = keys.next!.publicKey
  expect(cluster.self).toMatchObject({ publicKey: before, nextPublicKey: next })
  cluster.shared.set('rotations/h1/h2', `h2 ${next}`)
  cluster.shared.set('rotations/h1/h3', 'h3 another')
  await look()
  expect(cluster.self.publicKey).toBe(before)
  cluster.shared.set('rotations/h1/h3', `h3 ${next}`)
  await look()
  expect(cluster.self).toMatchObject({ publicKey: next, nextPublicKey: '' })
  expect(keys.current.publicKey).toBe(before)
  echo()
  expect([keys.current.publicKey, keys.next]).toEqual([next, null])
})

test('a host that does not confirm is named, once', async () => {
  partners = ['h2']
  age(25 * hours)
  for (let times = 0; times < 5; times++) await look()
  expect(warnings).toEqual(['the key for encrypted networks stays until these hosts know the next one: h2'])
  expect(keys.next).not.toBeNull()
})

test('nothing is exchanged while etcd is away', async () => {
  cluster.state = 'away'
  age(25 * hours)
  await look()
  expect(keys.next).toBeNull()
})

test('a host without anybody to talk to does not wait', async () => {
  age(25 * hours)
  await look()
  const next = keys.next!.publicKey
  await look()
  echo()
  expect(keys.current.publicKey).toBe(next)
})

test('what this host has said before it was restarted, and says no more, is not heeded', () => {
  const before = keys.current
  keys.prepare()
  cluster.nodes.tell([['h1', { ...cluster.self, publicKey: keys.next!.publicKey }]])
  expect(keys.current).toEqual(before)
})

test('what is heard of the key in force changes nothing', () => {
  const before = keys.current
  keys.prepare()
  echo()
  expect(keys.current).toEqual(before)
})
