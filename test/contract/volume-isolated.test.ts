import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { Caller } from '../../src/extensions/call.ts'
import { loadDriver } from '../../src/extensions/load.ts'
import { ExtensionVolumes } from '../../src/extensions/volume.ts'
import { repository } from '../helpers/daemon.ts'
import { describeVolumeDriver } from './volume.contract.ts'

const log = pino({ level: 'silent' })

describeVolumeDriver('a driver in a thread of its own', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'tsnet-volumes-'))
  const path = join(directory, 'folders.ts')
  const text = readFileSync(join(repository, 'examples/new/volume.ts'), 'utf8')
  writeFileSync(path, text.replace('apiVersion: 1,', "apiVersion: 1, isolation: 'worker',"), { mode: 0o600 })
  const threads: Disposable[] = []
  const open = async () => {
    const { name, definition, isolated } = await loadDriver(path, log)
    threads.push({ [Symbol.dispose]: () => isolated?.close() })
    const caller = new Caller(name, 'volume', log, definition.timeout)
    return new ExtensionVolumes(name, definition.volume as never, caller).driver
  }
  return {
    driver: await open(),
    keeps: true,
    options: () => ({ base: join(directory, 'data') }),
    restart: open,
    async close() {
      for (const thread of threads) thread[Symbol.dispose]()
      rmSync(directory, { recursive: true, force: true })
    },
  }
})
