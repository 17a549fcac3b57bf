/** The plugin's side of the protocol over a store and a driver that only notes what it is told. */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { NetworkDriver } from '../../../src/drivers/driver.ts'
import { TsnetError } from '../../../src/errors.ts'
import { Guest } from '../../../src/guest/guest.ts'
import { createLocalIpam } from '../../../src/ipam/local.ts'
import { post } from '../../../src/plugins/transport.ts'
import { openStore, type Store } from '../../../src/store/store.ts'

let folder: string
let store: Store
let guest: Guest
let told: string[]
let refuses: boolean

const driver: NetworkDriver = {
  name: 'noted',
  capabilities: { scope: 'global', addresses: 'ipam', gateway: 'always', ports: 'none' },
  parseOptions: () => null,
  checkEndpoint() {},
  gatewayFor: (_, pool) => pool.gateway,
  async createNetwork(_, { id }) {
    if (refuses) throw new TsnetError('conflict', 'refused', 'not now')
    told.push(`create ${id}`)
    return []
  },
  async removeNetwork(_, { id }) {
    told.push(`remove ${id}`)
  },
  async attach(_, { id, interfaceName, mac }) {
    if (refuses) throw new TsnetError('conflict', 'refused', 'not now')
    told.push(`attach ${id}`)
    return { interfaceName, mac, address4: '', address6: '', gateway4: '', gateway6: '' }
  },
  async detach(_, { id }) {
    told.push(`detach ${id}`)
  },
}

function open(): void {
  store = openStore(join(folder, 'state.db'))
  told = []
  refuses = false
  guest = new Guest({
    store,
    log: pino({ level: 'silent' }),
    mark: 'tsnet-test-plugin',
    drivers: [driver],
    ipam: createLocalIpam({ installationId: 'x', usedRoutes: () => [], describeOwner: (id) => id }),
    firewall: { apply: async () => {} },
    rules: new Map(),
    shared: {
      of: () => undefined,
      ensure: () => Promise.reject(new Error('no cluster')),
      leases: () => {
        throw new Error('no cluster')
      },
    },
    directRouting: false,
    ports: { reserve: async () => [], adopt() {}, release() {} },
    volumes: () => {
      throw new Error('not here')
    },
  })
}

async function reopen(): Promise<void> {
  await guest.close()
  store.close()
  open()
  await guest.restore()
  await guest.resume()
}

async function ask(
  plugin: string,
  method: string,
  body: object | string = {},
): Promise<Record<string, unknown>> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const address = { kind: 'unix', socketPath: join(folder, `${plugin}.sock`) } as const
  return JSON.parse((await post(address, method, text, AbortSignal.timeout(5000))).body)
}

const network = {
  NetworkID: 'n1',
  IPv4Data: [{ Pool: '10.1.0.0/24', Gateway: '10.1.0.1/24' }],
  IPv6Data: null,
}
const endpoint = { NetworkID: 'n1', EndpointID: 'e1', Interface: { Address: '10.1.0.2/24', MacAddress: '' } }
const tell = (verb: string, body: object) => ask('own-noted', `NetworkDriver.${verb}`, body)

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tsnet-guest-'))
  open()
  await guest.serve({ socketDirectory: folder, name: 'own' })
})

afterEach(async () => {
  await guest.close()
  store.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('a network', () => {
  it('is made once however often it is asked for, and removed once', async () => {
    for (let time = 0; time < 3; time++) expect(await tell('CreateNetwork', network)).toEqual({})
    for (let time = 0; time < 3; time++) expect(await tell('DeleteNetwork', network)).toEqual({})
    expect(told).toEqual(['create n1', 'remove n1'])
    expect(store.guestNetworks.size).toBe(0)
  })

  it('that could not be made leaves nothing, and its refusal is told', async () => {
    refuses = true
    expect(await tell('CreateNetwork', network)).toEqual({ Err: 'not now' })
    expect(store.guestNetworks.size).toBe(0)
  })

  it('stands again after a restart when it was told as made, and goes when it was not', async () => {
    await tell('CreateNetwork', network)
    await tell('CreateEndpoint', endpoint)
    const made = store.guestNetworks.get('n1')!
    const half = { ...made.network, id: 'n2' } as typeof made.network
    store.guestNetworks.put('n2', { network: half, isMade: false })
    store.guestEndpoints.put('e2', { ...store.guestEndpoints.get('e1')!, id: 'e2' as never, isMade: false })
    await reopen()
    expect(told).toEqual(['create n1', 'remove n2', 'detach e2'])
    expect((await tell('Join', endpoint))['Gateway']).toBe('10.1.0.1')
  })

  it('takes its endpoints along when it goes', async () => {
    await tell('CreateNetwork', network)
    await tell('CreateEndpoint', endpoint)
    await tell('DeleteNetwork', network)
    expect(told.slice(2)).toEqual(['detach e1', 'remove n1'])
  })
})

describe('an endpoint', () => {
  it('is told a hardware address when it was given none, the same again, and nothing when it has one', async () => {
    await tell('CreateNetwork', network)
    const mac = { Interface: { MacAddress: '02:42:0a:01:00:02' } }
    expect(await tell('CreateEndpoint', endpoint)).toEqual(mac)
    expect(await tell('CreateEndpoint', endpoint)).toEqual(mac)
    const own = { ...endpoint, EndpointID: 'e2', Interface: { MacAddress: '02:00:00:00:00:09' } }
    expect(await tell('CreateEndpoint', own)).toEqual({ Interface: {} })
  })

  it('joins by its link, and leads out as the driver says', async () => {
    await tell('CreateNetwork', network)
    await tell('CreateEndpoint', endpoint)
    expect(await tell('Join', { ...endpoint, SandboxKey: '/x' })).toEqual({
      InterfaceName: { SrcName: 'tg-e1', DstPrefix: 'eth' },
      Gateway: '10.1.0.1',
      GatewayIPv6: '',
      StaticRoutes: [],
      DisableGatewayService: true,
    })
  })

  it('that is gone is left and deleted without complaint, and joined with one', async () => {
    await tell('CreateNetwork', network)
    for (const verb of ['RevokeExternalConnectivity', 'Leave', 'DeleteEndpoint'])
      expect(await tell(verb, endpoint)).toEqual({})
    expect(await tell('Join', endpoint)).toEqual({ Err: 'there is no endpoint e1' })
    expect(await tell('CreateEndpoint', { ...endpoint, NetworkID: 'n9' })).toEqual({
      Err: 'there is no network n9',
    })
  })
})

describe('addresses', () => {
  const say = (verb: string, body: object) => ask('own', `IpamDriver.${verb}`, body)

  it('are given out once each over restarts, the gateway first, and given back', async () => {
    const { PoolID } = await say('RequestPool', { Pool: '10.2.0.0/29', V6: false })
    const options = { RequestAddressType: 'com.docker.network.gateway' }
    const gateway = await say('RequestAddress', { PoolID, Address: '', Options: options })
    expect(gateway['Address']).toBe('10.2.0.1/29')
    expect((await say('RequestAddress', { PoolID, Address: '' }))['Address']).toBe('10.2.0.2/29')
    await reopen()
    expect((await say('RequestAddress', { PoolID, Address: '10.2.0.2' }))['Error']).toContain('in use')
    await say('ReleaseAddress', { PoolID, Address: '10.2.0.2' })
    expect((await say('RequestAddress', { PoolID, Address: '10.2.0.2' }))['Address']).toBe('10.2.0.2/29')
    expect((await say('RequestPool', { Pool: '10.2.0.0/24' }))['Error']).toContain('Pool overlaps')
    for (let time = 0; time < 2; time++) expect(await say('ReleasePool', { PoolID })).toEqual({})
    expect([store.guestPools.size, store.guestLeases.size]).toEqual([0, 0])
    expect((await say('RequestPool', { Pool: '10.2.0.0/24' }))['Pool']).toBe('10.2.0.0/24')
  })

  it('of an unknown pool are refused in the field of address managers', async () => {
    expect(await say('RequestAddress', { PoolID: 'p' })).toEqual({ Error: 'there is no pool p' })
  })
})

describe('a socket', () => {
  it('is for root alone, and tells what is behind it', async () => {
    expect(statSync(join(folder, 'own.sock')).mode & 0o777).toBe(0o700)
    expect(await ask('own', 'Plugin.Activate', '')).toEqual({ Implements: ['IpamDriver', 'VolumeDriver'] })
    expect(await ask('own-noted', 'Plugin.Activate', '')).toEqual({ Implements: ['NetworkDriver'] })
    expect(await tell('GetCapabilities', {})).toEqual({ Scope: 'local', ConnectivityScope: 'global' })
  })

  it.each([
    ['NetworkDriver.Nothing', '{}', { Err: 'NetworkDriver.Nothing is no call of this plugin' }],
    ['NetworkDriver.toString', '{}', { Err: 'NetworkDriver.toString is no call of this plugin' }],
    ['NetworkDriver.DeleteNetwork', '[]', { Err: 'the body is no JSON object' }],
    ['NetworkDriver.DeleteNetwork', '{', { Err: 'the body is no JSON object' }],
    ['NetworkDriver.DeleteNetwork', '{}', { Err: 'NetworkID is "": wanted is an id' }],
    ['NetworkDriver.DeleteNetwork', '{"NetworkID":7}', { Err: 'NetworkID is 7: wanted is a text' }],
    [
      'NetworkDriver.CreateNetwork',
      '{"NetworkID":"n","IPv4Data":{}}',
      { Err: 'IPv4Data is {}: wanted is a list of objects' },
    ],
  ])('answers %s %s with an error', async (method, body, answer) => {
    expect(await ask('own-noted', method, body)).toEqual(answer)
  })

  it('takes no body without end', async () => {
    const huge = JSON.stringify({ NetworkID: 'x'.repeat(5 << 20) })
    await expect(ask('own-noted', 'NetworkDriver.DeleteNetwork', huge)).resolves.toEqual({
      Err: 'the body is larger than 4194304 bytes',
    })
    expect(await tell('DeleteNetwork', network)).toEqual({})
  })
})
