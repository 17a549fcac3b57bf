import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isKey, TunnelKeys } from '../../../src/drivers/overlay/keys.ts'

let directory: string
let path: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsnet-keys-'))
  path = join(directory, 'wireguard.keys')
})
afterEach(() => rmSync(directory, { recursive: true }))

test('a public key is that of RFC 7748, section 6.1', () => {
  const base64 = (hex: string): string => Buffer.from(hex, 'hex').toString('base64')
  const privateKey = base64('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a')
  writeFileSync(path, `${privateKey}\n`)
  expect(new TunnelKeys(path).current).toEqual({
    privateKey,
    publicKey: base64('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a'),
  })
})

test('a key is made once, and is root’s alone', () => {
  const made = new TunnelKeys(path)
  expect(isKey(made.current.privateKey) && isKey(made.current.publicKey)).toBe(true)
  expect(made.next).toBeNull()
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readdirSync(directory)).toEqual(['wireguard.keys'])
  expect(new TunnelKeys(path).current).toEqual(made.current)
})

test('the next key stands beside the one in force, also after a restart, and takes its place', () => {
  const keys = new TunnelKeys(path)
  const before = keys.current
  keys.prepare()
  const next = keys.next!
  expect(next.publicKey).not.toBe(before.publicKey)
  const again = new TunnelKeys(path)
  expect([again.current, again.next]).toEqual([before, next])
  again.advance()
  expect([again.current, again.next]).toEqual([next, null])
  expect(readFileSync(path, 'utf8')).toBe(`${next.privateKey}\n`)
  expect(statSync(path).mode & 0o777).toBe(0o600)
})

test('a key is as old as its file', () => {
  const keys = new TunnelKeys(path)
  expect(keys.age()).toBeLessThan(60_000)
  utimesSync(path, 0, 0)
  expect(keys.age()).toBeGreaterThan(365 * 24 * 3_600_000)
})

test('a file without a key is none', () => {
  writeFileSync(path, 'what is this\n')
  const { current } = new TunnelKeys(path)
  expect(readFileSync(path, 'utf8')).toBe(`${current.privateKey}\n`)
})

test.each(['', 'AAAA', `${Buffer.alloc(32).toString('base64')} `, Buffer.alloc(33).toString('base64')])(
  '%j is no key',
  (text) => expect(isKey(text)).toBe(false),
)
