import { spawnSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { expect, test } from 'vitest'
import { featureNames, probeFeature, requireFeature } from '../../src/sys/features.ts'
import { hasLinkKind } from '../../src/sys/network-features.ts'

const namespace = () => readlinkSync('/proc/thread-self/ns/net')
const links = () =>
  readFileSync('/proc/net/dev', 'utf8')
    .split('\n')
    .map((line) => line.split(':')[0])

test('probing all features leaves the machine as it was', () => {
  const before = { namespace: namespace(), links: links() }
  for (const name of featureNames) probeFeature(name)
  expect({ namespace: namespace(), links: links() }).toEqual(before)
})

test('a kernel that runs containers has what containers need', () => {
  const needed = [
    'overlayfs',
    'mount-namespace',
    'pid-namespace',
    'network-namespace',
    'seccomp',
    'bridge',
    'veth',
  ] as const
  expect(needed.map(probeFeature).filter(({ isAvailable }) => !isAvailable)).toEqual([])
})

test('a kind of link that no kernel has is not there', () => {
  expect(hasLinkKind('tsnet-nonsense')).toBe(false)
  expect(hasLinkKind('bridge')).toBe(true)
})

test('nftables is there exactly when its own command can list tables', () => {
  const { status } = spawnSync('unshare', ['-n', 'nft', 'list', 'tables'])
  expect(probeFeature('nftables').isAvailable).toBe(status === 0)
})

test('each feature says what it needs, and what is in its way only when it is missing', () => {
  for (const name of featureNames) {
    const { needs, reason, isAvailable } = probeFeature(name)
    expect(needs).not.toBe('')
    expect(reason === '').toBe(isAvailable)
  }
})

test('requiring a feature throws exactly when it is missing', () => {
  for (const name of featureNames) {
    const { isAvailable, needs } = probeFeature(name)
    if (isAvailable) expect(() => requireFeature(name)).not.toThrow()
    else expect(() => requireFeature(name)).toThrow(`${name} is not available on this machine`)
    if (!isAvailable) expect(() => requireFeature(name)).toThrow(needs)
  }
})
