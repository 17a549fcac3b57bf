/** The thread of a network driver ends while the kernel works for it. Run as root, in a throw-away network namespace. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Caller } from '../../src/extensions/call.ts'
import { loadDriver } from '../../src/extensions/load.ts'
import { ExtensionNetworks } from '../../src/extensions/network.ts'
import { findLink } from '../../src/netlink/link.ts'
import { openRouteSocket } from '../../src/netlink/socket.ts'
import { context, networkRecord } from '../contract/driver.contract.ts'
import { enterThrowAwayNetns } from '../helpers/firewall-lab.ts'

const directory = mkdtempSync(join(tmpdir(), 'tsnet-drivers-'))
const log = pino({ level: 'silent' })

/** Makes a bridge, begins to remove it, and ends in the way that the network's name says. */
const driver = `
  import { defineDriver } from 'tsnet/driver'
  import { bridge, createLink, getLink, openRouteSocket, removeLink } from 'tsnet/netlink'
  export default defineDriver({
    apiVersion: 1,
    isolation: 'worker',
    timeout: 3000,
    network: {
      async createNetwork({ name }) {
        using socket = openRouteSocket()
        createLink(socket, { name: 'going', kind: bridge({ stp: false }), up: true })
        const { index } = getLink(socket, 'going')
        const removal = removeLink(index)
        if (name === 'loop') for (;;) {}
        if (name === 'exit') await new Promise(() => setTimeout(() => process.exit(3)))
        await removal
      },
      attach() {},
    },
  })`

beforeAll(enterThrowAwayNetns)
afterAll(() => rmSync(directory, { recursive: true, force: true }))

test('a thread that ends while a link is removed takes nothing else with it', async () => {
  const path = join(directory, 'going.ts')
  writeFileSync(path, driver, { mode: 0o600 })
  const { name, definition, isolated } = await loadDriver(path, log)
  const caller = new Caller(name, 'network', log, definition.timeout)
  const networks = new ExtensionNetworks(name, 'test', definition.network as never, caller)
  const create = (ending: string) => networks.driver.createNetwork(context, networkRecord({ name: ending }))
  for (let round = 0; round < 5; round++) {
    await expect(create('exit')).rejects.toThrow('driver going: its thread has ended with code 3')
    await expect(create('well')).resolves.toEqual([])
  }
  await expect(create('loop')).rejects.toThrow('driver going: createNetwork was given up')
  await expect(create('well')).resolves.toEqual([])
  isolated?.close()
  using socket = openRouteSocket()
  expect(findLink(socket, 'going')).toBeNull()
})
