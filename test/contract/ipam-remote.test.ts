/** Addresses over Docker's plugin protocol and back: tsnet asks its own plugin, which asks the built-in manager. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { GuestAddresses } from '../../src/guest/addresses.ts'
import type { GuestParts } from '../../src/guest/parts.ts'
import { createLocalIpam } from '../../src/ipam/local.ts'
import { RemoteIpam } from '../../src/ipam/remote.ts'
import { Plugins } from '../../src/plugins/plugins.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import { DockerPlugin, type Methods, pluginDirectory } from '../helpers/docker-plugin.ts'
import { describeIpam } from './ipam.contract.ts'

const directory = pluginDirectory()
const log = pino({ level: 'silent' })
const folder = mkdtempSync(join(tmpdir(), 'tsnet-ipam-'))
const stores: Store[] = []
let opened = 0
let plugin: DockerPlugin
let plugins: Plugins

beforeAll(async () => {
  plugin = await DockerPlugin.start(directory, 'own', {})
})
afterEach(() => {
  for (const store of stores.splice(0)) store.close()
  plugins.close()
})
afterAll(async () => {
  await plugin.stop()
  for (const path of [directory, folder]) rmSync(path, { recursive: true })
})

function methods(): Methods {
  const store = openStore(join(folder, `${opened++}.db`))
  stores.push(store)
  const ipam = createLocalIpam({ installationId: 'test', usedRoutes: () => [], describeOwner: (id) => id })
  const verbs = new GuestAddresses({ store, ipam, log } as unknown as GuestParts).verbs()
  return Object.fromEntries(
    Object.entries(verbs).map(([name, verb]) => [`IpamDriver.${name}`, verb as Methods[string]]),
  )
}

describeIpam(
  'remote',
  () => {
    plugin.methods = methods()
    plugins = new Plugins({ directories: [directory], log })
    plugins.started()
    return new RemoteIpam(plugins.get('own'))
  },
  true,
)
