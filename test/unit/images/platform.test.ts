import { expect, test } from 'vitest'
import type { Descriptor } from '../../../src/images/manifest.ts'
import { choosePlatform, formatPlatform, hostPlatform, parsePlatform } from '../../../src/images/platform.ts'

function entry(name: string, architecture: string, variant?: string): Descriptor {
  const platform = { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) }
  return { mediaType: name, digest: `sha256:${'0'.repeat(64)}`, size: 1, platform }
}

const entries = [
  entry('amd64', 'amd64'),
  entry('armv6', 'arm', 'v6'),
  entry('armv7', 'arm', 'v7'),
  entry('arm64', 'arm64', 'v8'),
  entry('s390x', 's390x'),
]

test.each([
  ['linux/amd64', 'amd64'],
  ['amd64', 'amd64'],
  ['linux/x86_64', 'amd64'],
  ['linux/arm/v6', 'armv6'],
  ['linux/arm', 'armv7'],
  ['linux/arm64', 'arm64'],
  ['aarch64', 'arm64'],
  ['linux/arm64/v8', 'arm64'],
])('finds for %s the entry %s', (platform, expected) => {
  expect(choosePlatform(entries, parsePlatform(platform))?.mediaType).toBe(expected)
})

test('finds nothing for a platform or a variant that is not there', () => {
  expect(choosePlatform(entries, parsePlatform('linux/riscv64'))).toBeNull()
  expect(choosePlatform(entries, parsePlatform('windows/amd64'))).toBeNull()
  expect(choosePlatform(entries, parsePlatform('linux/arm/v5'))).toBeNull()
})

test('takes an entry that names no platform only when it is alone', () => {
  const bare: Descriptor = { mediaType: 'bare', digest: `sha256:${'0'.repeat(64)}`, size: 1 }
  expect(choosePlatform([bare], hostPlatform())).toBe(bare)
  expect(choosePlatform([bare, bare], hostPlatform())).toBeNull()
})

test('means this machine by an empty platform, and says so in the usual form', () => {
  expect(formatPlatform(parsePlatform(''))).toBe(`linux/${process.arch === 'x64' ? 'amd64' : process.arch}`)
})

test.each(['a/b/c/d', 'linux/', 'linux/am d64', '/'])('refuses %j as a platform', (text) => {
  expect(() => parsePlatform(text)).toThrow('is an invalid platform')
})
