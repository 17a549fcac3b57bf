import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { builtinDrivers } from '../../../src/drivers/builtin.ts'
import { createHostDriver } from '../../../src/drivers/host/index.ts'
import { joinSources, lookUpDriver, sourceOf } from '../../../src/drivers/registry.ts'
import type { NetworkRecord } from '../../../src/store/records.ts'

const context = { mark: 'tsnet', log: pino({ level: 'silent' }), signal: new AbortController().signal }
const network = (id: string) => ({ id, name: 'host', options: {} }) as unknown as NetworkRecord

describe('the registry', () => {
  const registry = sourceOf(builtinDrivers())

  test('knows every driver by name', () => {
    expect(registry.list().map(({ name }) => name)).toEqual(['bridge', 'macvlan', 'ipvlan', 'host', 'null'])
    expect(lookUpDriver('network', registry, 'null').name).toBe('null')
  })

  test('says of an unknown driver what Docker says, and which there are', () => {
    expect(() => lookUpDriver('network', registry, 'weave')).toThrow(
      expect.objectContaining({
        kind: 'not-found',
        message:
          'could not find plugin weave in v1 plugin registry: plugin not found (there are the drivers bridge, macvlan, ipvlan, host, null)',
      }),
    )
    expect(() => lookUpDriver('volume', sourceOf([{ name: 'local' }]), 'rex')).toThrow(
      'error looking up volume plugin rex: plugin "rex" not found (there are local)',
    )
  })

  test('gives the driver of the earlier source where two have one name, and lists it once', () => {
    const [own, other] = [
      { name: 'bridge', from: 'own' },
      { name: 'bridge', from: 'other' },
    ]
    const joined = joinSources(sourceOf([own]), sourceOf([other, { name: 'weave', from: 'other' }]))
    expect(joined.find('bridge')).toBe(own)
    expect(joined.list().map(({ name, from }) => `${from} ${name}`)).toEqual(['own bridge', 'other weave'])
  })
})

describe('host and null', () => {
  test('allow one network each, and the same one again', async () => {
    const driver = createHostDriver('host')
    expect(await driver.createNetwork(context, network('a'))).toEqual([])
    expect(await driver.createNetwork(context, network('a'))).toEqual([])
    await expect(driver.createNetwork(context, network('b'))).rejects.toMatchObject({
      kind: 'forbidden',
      message: 'only one instance of "host" network is allowed',
    })
    expect(await createHostDriver('null').createNetwork(context, network('b'))).toEqual([])
  })

  test('take no options', () => {
    const options = { 'com.docker.network.driver.mtu': '1400' }
    expect(() => createHostDriver('null').parseOptions({ ...network('b'), name: 'none', options })).toThrow(
      /^network none: the null driver has no option com\.docker\.network\.driver\.mtu/,
    )
  })
})
