/** tsnet's bridge over Docker's plugin protocol and back: the adapter for plugins drives tsnet's own plugin. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll } from 'vitest'
import { createBridgeDriver } from '../../src/drivers/bridge/index.ts'
import { RemoteDriver } from '../../src/drivers/remote/index.ts'
import { GuestNetworks } from '../../src/guest/networks.ts'
import type { GuestParts } from '../../src/guest/parts.ts'
import { Plugins } from '../../src/plugins/plugins.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import { DockerPlugin, type Fields, type Methods, pluginDirectory } from '../helpers/docker-plugin.ts'
import { describeDriver } from './driver.contract.ts'

const log = pino({ level: 'silent' })
const directory = pluginDirectory()
const folder = mkdtempSync(join(tmpdir(), 'tsnet-guest-'))
let store: Store
let plugin: DockerPlugin

beforeAll(async () => {
  store = openStore(join(folder, 'state.db'))
  const driver = createBridgeDriver()
  const networks = new GuestNetworks({
    store,
    log,
    mark: 'tsnet-plugin',
    drivers: [driver],
    firewall: { apply: async () => {} },
    rules: new Map(),
    shared: { of: () => undefined },
  } as unknown as GuestParts)
  // Not every driver has anything to tell of an endpoint.
  const { EndpointOperInfo: _, ...verbsOfAll } = networks.verbs(driver)
  const verbs = Object.entries(verbsOfAll)
  const methods = verbs.map(([name, verb]): [string, Methods[string]] => [
    `NetworkDriver.${name}`,
    async (body) => {
      const answer = await verb(body)
      // Bridges would go a moment later.
      await driver.settle?.()
      return answer as Fields
    },
  ])
  plugin = await DockerPlugin.start(directory, 'own', Object.fromEntries(methods))
})
afterAll(async () => {
  await plugin.stop()
  store.close()
  for (const path of [directory, folder]) rmSync(path, { recursive: true })
})

const create = (): RemoteDriver => {
  const plugins = new Plugins({ directories: [directory], log })
  plugins.started()
  return new RemoteDriver(plugins.get('own'), () => false)
}

describeDriver('guest', create, {
  network: {},
  other: {},
  ownMacs: true,
  remote: true,
  prepare: () => () => {},
})
