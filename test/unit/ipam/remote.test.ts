/** What an address plugin wants besides (IpamDriver.GetCapabilities). */
import { rmSync } from 'node:fs'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RemoteIpam } from '../../../src/ipam/remote.ts'
import { Plugins } from '../../../src/plugins/plugins.ts'
import { DockerPlugin, pluginDirectory } from '../../helpers/docker-plugin.ts'
import { countedAddresses } from '../../helpers/ipam-plugin.ts'

let directory: string
let plugin: DockerPlugin
let plugins: Plugins

beforeEach(async () => {
  directory = pluginDirectory()
  plugin = await DockerPlugin.start(directory, 'counted', countedAddresses())
})
afterEach(async () => {
  plugins.close()
  await plugin.stop()
  rmSync(directory, { recursive: true })
})

function open(capabilities: object): RemoteIpam {
  plugin.methods = { ...countedAddresses(), 'IpamDriver.GetCapabilities': () => ({ ...capabilities }) }
  plugins = new Plugins({ directories: [directory], log: pino({ level: 'silent' }) })
  plugins.started()
  return new RemoteIpam(plugins.get('counted'))
}

const request = {
  family: 4,
  subnet: '10.200.0.0/29',
  range: '',
  gateway: '',
  auxiliary: {},
  options: {},
} as const
const asked = (method: string) =>
  plugin.calls.filter((call) => call.method === `IpamDriver.${method}`).map(({ body }) => body)

test('a hardware address is told where the plugin wants one, and is known to be wanted', async () => {
  const ipam = open({ RequiresMACAddress: true })
  expect(await ipam.needsMac()).toBe(true)
  const pool = await ipam.requestPool('net', request)
  await ipam.lease(pool, 'web', { mac: '02:00:00:00:00:01' })
  expect(asked('RequestAddress').at(-1)).toMatchObject({
    Options: { 'com.docker.network.endpoint.macaddress': '02:00:00:00:00:01' },
  })
  expect(asked('GetCapabilities')).toHaveLength(1)
})

test('a plugin that does not know the question wants nothing', async () => {
  const ipam = open({ Error: 'what?' })
  expect(await ipam.needsMac()).toBe(false)
  await ipam.requestPool('net', request)
})

const pool = {
  subnet: '10.200.0.0/29',
  range: '',
  gateway: '10.200.0.1',
  auxiliary: { printer: '10.200.0.2' },
  poolId: 'pool 10.200.0.0/29',
}
const leases = [
  { owner: 'web', address: '10.200.0.3/29', used: true },
  { owner: 'old', address: '10.200.0.4/29', used: false },
]

test('a plugin that forgets is told of pools and addresses again, before anything else is asked, and once', async () => {
  const ipam = open({ RequiresRequestReplay: true })
  await ipam.adopt('net', pool, leases)
  expect(asked('RequestPool')).toEqual([])
  expect(await ipam.lease(pool, 'new', {})).toBe('10.200.0.5/29')
  await ipam.lease(pool, 'more', {})
  expect(asked('RequestPool')).toMatchObject([{ Pool: '10.200.0.0/29', V6: false }])
  expect(asked('RequestAddress').map(({ Address }) => Address)).toEqual([
    ...['10.200.0.1', '10.200.0.2', '10.200.0.3', '10.200.0.4'],
    ...['', ''],
  ])
})

test('a plugin that remembers is not told again', async () => {
  const ipam = open({})
  await ipam.adopt('net', pool, leases)
  await ipam.needsMac()
  expect(asked('RequestPool')).toEqual([])
})
