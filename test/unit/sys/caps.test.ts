import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { capabilityMask, defaultCapabilities, resolveCapabilities } from '../../../src/sys/caps.ts'
import { CAPABILITIES } from '../../../src/sys/constants/capability.ts'

const resolve = (add: string[], drop: string[], available: readonly string[] = CAPABILITIES) =>
  resolveCapabilities({ add, drop, available })

describe('resolveCapabilities', () => {
  test('gives the fourteen of Docker when nothing is asked for', () => {
    expect(resolve([], [])).toEqual(defaultCapabilities)
    expect(capabilityMask(defaultCapabilities)).toBe(0xa80425fbn)
  })

  test('adds and drops by name, with or without the prefix, in any case', () => {
    const caps = resolve(['CAP_NET_ADMIN', 'sys_time'], ['cap_mknod', 'NET_RAW'])
    expect(caps).toEqual(expect.arrayContaining(['NET_ADMIN', 'SYS_TIME', 'CHOWN']))
    expect(caps).not.toContain('MKNOD')
    expect(caps).not.toContain('NET_RAW')
  })

  test('adding all gives all but what is dropped', () => {
    expect(resolve(['ALL'], ['SYS_ADMIN'])).toEqual(CAPABILITIES.filter((name) => name !== 'SYS_ADMIN'))
  })

  test('dropping all leaves what is added, and nothing else', () => {
    expect(resolve(['NET_ADMIN', 'CAP_NET_ADMIN'], ['all'])).toEqual(['NET_ADMIN'])
    expect(resolve([], ['ALL'])).toEqual([])
  })

  test('adding all wins over dropping all', () => {
    expect(resolve(['ALL'], ['ALL'])).toEqual(CAPABILITIES)
  })

  test('keeps what is dropped and added', () => {
    expect(resolve(['CHOWN'], ['CHOWN'])).toContain('CHOWN')
  })

  test('privileged gives all that the machine has, whatever else is said', () => {
    const available = ['CHOWN', 'KILL']
    expect(resolveCapabilities({ add: [], drop: ['ALL'], privileged: true, available })).toEqual(available)
  })

  test.each([
    [['FROBNICATE'], [], 'invalid CapAdd: unknown capability: "CAP_FROBNICATE"'],
    [[], ['cap_x'], 'invalid CapDrop: unknown capability: "CAP_X"'],
  ])('refuses a name that does not exist', (add, drop, message) => {
    expect(() => resolve(add, drop)).toThrow(message)
  })

  test('refuses to add what this machine cannot give, and lets it be dropped', () => {
    const available = CAPABILITIES.filter((name) => name !== 'SYS_RESOURCE')
    expect(() => resolve(['SYS_RESOURCE'], [], available)).toThrow(
      'invalid CapAdd: capability not supported by your kernel or not available in the current environment: "CAP_SYS_RESOURCE"',
    )
    expect(resolve(['ALL'], ['SYS_RESOURCE'], available)).toEqual(available)
  })

  test('never gives a capability twice, or one that the machine lacks', () => {
    const names = fc.subarray([...CAPABILITIES, 'ALL'])
    const machines = fc.subarray([...CAPABILITIES], { minLength: 1 })
    fc.assert(
      fc.property(names, names, machines, (add, drop, available) => {
        const wanted = add.filter((name) => name === 'ALL' || available.includes(name as 'CHOWN'))
        const caps = resolve(wanted, drop, available)
        expect(new Set(caps).size).toBe(caps.length)
        expect(caps.filter((name) => !available.includes(name as 'CHOWN'))).toEqual([])
      }),
    )
  })
})

test('a mask of all has a bit for each', () => {
  expect(capabilityMask(CAPABILITIES)).toBe(2n ** BigInt(CAPABILITIES.length) - 1n)
  expect(() => capabilityMask(['NOPE'])).toThrow('unknown capability: "CAP_NOPE"')
})
