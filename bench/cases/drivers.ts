import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { pino } from 'pino'
import { Extensions } from '../../src/extensions/extensions.ts'
import type { PoolIpam } from '../../src/ipam/ipam.ts'
import { createLocalIpam } from '../../src/ipam/local.ts'
import { Plugins } from '../../src/plugins/plugins.ts'
import type { Case, Contestant } from '../case.ts'
import { endProcess, eventually } from '../command.ts'
import { timed } from '../request.ts'

/** Calls in a sample: milliseconds for a thousand are microseconds for one. */
const CALLS = 1000
const log = pino({ level: 'silent' })

/** A plugin that has nothing to do, in a process of its own. */
const PLUGIN = `
  const { createServer } = require('node:http')
  createServer((request, response) => {
    request.resume()
    request.on('end', () => response.end('{"Implements":["VolumeDriver"],"Mountpoint":"/"}'))
  }).listen(process.argv[1])`

/** An address manager that counts, as few lines as one can have. */
const driver = (isolation: string): string => `
  import { defineDriver } from 'tsnet/driver'
  let count = 256
  export default defineDriver({
    apiVersion: 1,
    ${isolation}
    ipam: {
      requestPool: () => ({ subnet: '10.0.0.0/8', gateway: '10.0.0.1' }),
      releasePool() {},
      lease() {
        count++
        return \`10.\${(count >> 16) & 255}.\${(count >> 8) & 255}.\${count & 255}\`
      },
      release() {},
    },
  })`

function post(socketPath: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const asked = request(
    { socketPath, method: 'POST', path: '/VolumeDriver.Path', agent: false },
    (answer) => {
      answer.resume()
      answer.on('end', () => resolve())
    },
  )
  asked.on('error', reject)
  asked.end('{"Name":"data"}')
  return promise
}

const many = (call: () => Promise<unknown>): Promise<number> =>
  timed(async () => {
    for (let index = 0; index < CALLS; index++) await call()
  })

const names: Readonly<Record<string, string>> = {
  default: 'built-in',
  counting: 'TypeScript driver',
  isolated: 'in a thread',
}

async function leases(ipam: PoolIpam): Promise<Contestant> {
  const request = { range: '', gateway: '', auxiliary: {}, options: {} }
  const pool = await ipam.requestPool('network', { ...request, family: 4, subnet: '10.0.0.0/8' })
  return {
    name: names[ipam.name] ?? ipam.name,
    sample: () =>
      many(async () => {
        const address = await ipam.lease(pool, 'owner', {})
        await ipam.release(pool, 'owner', address)
      }),
  }
}

async function loadDrivers(dir: string): Promise<PoolIpam[]> {
  const directory = join(dir, 'drivers')
  mkdirSync(directory)
  writeFileSync(join(directory, 'counting.ts'), driver(''), { mode: 0o600 })
  writeFileSync(join(directory, 'isolated.ts'), driver("isolation: 'worker',"), { mode: 0o600 })
  const extensions = new Extensions({
    directory,
    files: [],
    mark: 'bench',
    log,
    isBuiltIn: () => false,
    isUsed: () => false,
    describeOwner: (id) => id,
  })
  await extensions.reload()
  return ['counting', 'isolated'].map((name, place) => {
    const loaded = extensions.ipams.find(name)
    if (loaded === undefined) throw new Error(extensions.list()[place]?.error ?? 'the driver is not there')
    return loaded
  })
}

export default {
  name: 'drivers',
  order: 48,
  title: 'Drivers of others',
  about: `In process, times for ${CALLS} calls: 1,000 ms are 1 ms a call. The Docker plugin does nothing and is a Node process of its own; it is asked over a unix socket by tsnet, and by a bare HTTP request. The TypeScript driver counts its addresses, in tsnet's own thread and in one for itself (isolation).`,
  async *rows({ dir }) {
    const directory = join(dir, 'plugins')
    mkdirSync(directory)
    const socket = join(directory, 'idle.sock')
    const program: ChildProcess = spawn(process.execPath, ['-e', PLUGIN, socket], { stdio: 'ignore' })
    const plugins = new Plugins({ directories: [directory], log })
    try {
      plugins.started()
      const plugin = plugins.get('idle')
      const ask = () => plugin.call('VolumeDriver.Path', { Name: 'data' }, { deadline: 10_000 })
      await eventually(10, ask)
      const contestants = [
        { name: 'tsnet', sample: () => many(ask) },
        { name: 'bare request', sample: () => many(() => post(socket)) },
      ]
      yield { title: 'call a Docker plugin', unit: 'ms', contestants }
    } finally {
      plugins.close()
      await endProcess(program)
    }
    const local = createLocalIpam({ installationId: '', usedRoutes: () => [], describeOwner: (id) => id })
    const ipams = [...(await loadDrivers(dir)), local]
    yield {
      title: 'lease and release an address',
      unit: 'ms',
      contestants: await Promise.all(ipams.map(leases)),
    }
  },
} satisfies Case
