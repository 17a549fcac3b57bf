import { rmSync } from 'node:fs'
import { pino } from 'pino'
import { afterAll, beforeAll } from 'vitest'
import { RemoteDriver } from '../../src/drivers/remote/index.ts'
import { Plugins } from '../../src/plugins/plugins.ts'
import { DockerPlugin, pluginDirectory } from '../helpers/docker-plugin.ts'
import { bridgeNetworks } from '../helpers/network-plugin.ts'
import { describeDriver } from './driver.contract.ts'

const directory = pluginDirectory()
let plugin: DockerPlugin

beforeAll(async () => {
  plugin = await DockerPlugin.start(directory, 'veths', bridgeNetworks({}))
})
afterAll(async () => {
  await plugin.stop()
  rmSync(directory, { recursive: true })
})

const create = (): RemoteDriver => {
  const plugins = new Plugins({ directories: [directory], log: pino({ level: 'silent' }) })
  plugins.started()
  return new RemoteDriver(plugins.get('veths'), () => false)
}

describeDriver('remote', create, {
  network: {},
  other: {},
  ownMacs: true,
  remote: true,
  prepare: () => () => {},
})
