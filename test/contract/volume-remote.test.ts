import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { Plugins } from '../../src/plugins/plugins.ts'
import { RemoteVolumes } from '../../src/volumes/remote.ts'
import { DockerPlugin, directoryVolumes, pluginDirectory } from '../helpers/docker-plugin.ts'
import { describeVolumeDriver } from './volume.contract.ts'

describeVolumeDriver('a Docker plugin', async () => {
  const directory = pluginDirectory()
  const root = mkdtempSync(join(tmpdir(), 'tsnet-volumes-'))
  const plugin = await DockerPlugin.start(directory, 'dirs', directoryVolumes(root))
  const open = (): RemoteVolumes => {
    const plugins = new Plugins({ directories: [directory], log: pino({ level: 'silent' }) })
    plugins.started()
    return new RemoteVolumes(plugins.get('dirs'))
  }
  return {
    driver: open(),
    keeps: true,
    options: () => ({ note: 'mine' }),
    restart: open,
    async close() {
      await plugin.stop()
      for (const path of [directory, root]) rmSync(path, { recursive: true, force: true })
    },
  }
})
