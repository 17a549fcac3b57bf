import { mkdirSync, readFileSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import { pack } from 'tar-stream'
import type { Case, Contestant } from '../case.ts'
import type { Engine } from '../engines/engine.ts'
import { send, timed } from '../request.ts'
import { copier, smallFiles } from '../tree.ts'

const REPOSITORY = 'bench-tree'
const VOLUME = 'bench-copy-up'

/** A root that is nothing but a tree and a program that ends at once. */
async function makeArchive(): Promise<Buffer> {
  const archive = pack()
  archive.entry({ name: 'true', mode: 0o755 }, readFileSync('/bin/busybox'))
  for (const path of smallFiles.paths) archive.entry({ name: `tree/${path}` }, smallFiles.content)
  archive.finalize()
  return buffer(archive)
}

/** Each volume stays, as copies of cp do. */
function filling({ name, socket }: Engine): Contestant {
  let volumes = 0
  return {
    name: `${name} create and start`,
    async sample() {
      const HostConfig = { Binds: [`${VOLUME}-${volumes++}:/tree`], NetworkMode: 'none' }
      let id = ''
      const took = await timed(async () => {
        const body = { Image: REPOSITORY, Cmd: ['/true'], HostConfig }
        id = String((await send(socket, 'POST', '/containers/create', body)).json()['Id'])
        await send(socket, 'POST', `/containers/${id}/start`)
      })
      await send(socket, 'POST', `/containers/${id}/wait`)
      await send(socket, 'DELETE', `/containers/${id}`)
      return took
    },
  }
}

export default {
  name: 'copy-up',
  order: 16,
  title: 'The image’s content into an empty volume',
  about: `The image has ${smallFiles.title} where the volume is mounted: create and start, the copying included, beside cp of the same files on the same file system. No copy is removed meanwhile.`,
  async *rows(stage) {
    const engines = (await stage.engines('tsnet', 'dockerd')).filter(({ socket }) => socket !== '')
    const archive = await makeArchive()
    for (const { socket } of engines)
      await send(socket, 'POST', `/images/create?fromSrc=-&repo=${REPOSITORY}`, archive)
    const tree = `${stage.dir}/${VOLUME}`
    mkdirSync(tree)
    smallFiles.fill(tree)
    const copies = `${tree}-copies`
    mkdirSync(copies)
    const contestants = [...engines.map(filling), copier(tree, copies, true)]
    yield { title: 'first use', unit: 'ms', rounds: 8, contestants }
  },
} satisfies Case
