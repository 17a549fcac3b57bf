import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { inNewNetns } from '../../src/sys/netns.ts'
import { procSys } from '../../src/sys/proc-sys.ts'
import { enterThrowAwayNetns, ip } from '../helpers/firewall-lab.ts'

beforeAll(enterThrowAwayNetns)

/** A setting that new namespaces have at 64. */
const ttl = 'net/ipv4/ip_default_ttl'

test('a path below it shows and changes the settings of the namespace that the thread is in', () => {
  const before = readFileSync(`/proc/sys/${ttl}`, 'utf8')
  const inside = inNewNetns(() => {
    writeFileSync(`${procSys()}/${ttl}`, '33')
    return [readFileSync(`/proc/sys/${ttl}`, 'utf8'), readFileSync(`${procSys()}/${ttl}`, 'utf8')]
  })
  expect(inside).toEqual(['33\n', '33\n'])
  expect(readFileSync(`${procSys()}/${ttl}`, 'utf8')).toBe(before)
})

test('links that come and go are seen at once', () => {
  const has = (name: string) => existsSync(`${procSys()}/net/ipv4/conf/${name}`)
  ip('link add here type bridge')
  expect(has('here')).toBe(true)
  ip('link del here')
  expect(has('here')).toBe(false)
})

test('however many paths are looked up, few descriptors are held', async () => {
  const held = () => readdirSync('/proc/self/fd').length
  procSys()
  const before = held()
  for (let i = 0; i < 1000; i++) procSys()
  await expect.poll(held).toBeLessThanOrEqual(before)
})
