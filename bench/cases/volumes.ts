import { mkdirSync } from 'node:fs'
import type { Case, Contestant } from '../case.ts'
import type { Engine } from '../engines/engine.ts'
import { IMAGE } from '../image.ts'
import { send, timed } from '../request.ts'

const COUNT = 20
const VOLUME = 'bench-volume'
const volumes = Array.from({ length: COUNT }, (_, index) => `${VOLUME}-${index}`)

/** A container for each sample: the first start is the one that looks into empty volumes. */
const starter = (engine: Engine, binds: readonly string[]): Contestant => ({
  name: engine.name,
  async sample() {
    const call = (method: string, path: string, body?: object) => send(engine.socket, method, path, body)
    const HostConfig = { Binds: binds, NetworkMode: 'none' }
    const { Id } = (
      await call('POST', '/containers/create', { Image: IMAGE, Cmd: ['true'], HostConfig })
    ).json()
    const took = await timed(() => call('POST', `/containers/${Id}/start`))
    await call('POST', `/containers/${Id}/wait`)
    await call('DELETE', `/containers/${Id}`)
    return took
  },
})

export default {
  name: 'volumes',
  order: 15,
  title: 'A container’s start with volumes, until the API answers',
  about:
    `A container without a network is made; its first start is measured. Of ${COUNT} empty volumes or binds each is mounted at a ` +
    'path of its own, which the image does not have. (Where it has something, dockerd copies that into the volume with the create.)',
  async *rows(stage) {
    const engines = (await stage.engines('tsnet', 'dockerd')).filter(({ socket }) => socket !== '')
    const row = (title: string, binds: readonly string[]) => ({
      title,
      unit: 'ms' as const,
      contestants: engines.map((engine) => starter(engine, binds)),
    })
    const source = `${stage.dir}/${VOLUME}`
    mkdirSync(source)
    yield row('without', [])
    for (const engine of engines)
      for (const Name of volumes) await send(engine.socket, 'POST', '/volumes/create', { Name })
    yield row(
      `${COUNT} named volumes`,
      volumes.map((name) => `${name}:/volumes/${name}`),
    )
    yield row(
      `${COUNT} binds`,
      volumes.map((name) => `${source}:/binds/${name}`),
    )
    for (const engine of engines)
      for (const name of volumes) await send(engine.socket, 'DELETE', `/volumes/${name}`)
  },
} satisfies Case
