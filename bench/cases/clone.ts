import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import type { Case, Contestant } from '../case.ts'
import type { Engine } from '../engines/engine.ts'
import { send, timed } from '../request.ts'
import { copier, smallFiles } from '../tree.ts'

const SOURCE = 'bench-clone'
const CLONE = 'bench-clone-copy'
const MIB = 2 ** 20
const LARGE_MIB = 128
/** They take long, and the disk has much to write after each. */
const ROUNDS = 5

const clone = ({ name, socket }: Engine): Contestant => ({
  name,
  async sample() {
    const path = `/tsnet/v1/volumes/${SOURCE}/clone`
    const took = await timed(() => send(socket, 'POST', path, { Name: CLONE }))
    await send(socket, 'DELETE', `/volumes/${CLONE}?now=true`)
    return took
  },
})

function fillLarge(root: string): void {
  const block = randomBytes(MIB)
  for (let part = 0; part < LARGE_MIB; part++) writeFileSync(`${root}/large`, block, { flag: 'a' })
}

export default {
  name: 'clone',
  order: 16,
  title: 'A volume’s clone beside cp',
  about:
    'The same tree is copied on the same file system, by the API with all that belongs to a new volume, and by cp alone.',
  async *rows(stage) {
    const trees = [smallFiles, { title: `one file of ${LARGE_MIB} MiB`, fill: fillLarge }]
    for (const engine of await stage.engines('tsnet')) {
      for (const tree of trees) {
        const made = await send(engine.socket, 'POST', '/volumes/create', { Name: SOURCE })
        const { Mountpoint } = made.json() as { Mountpoint: string }
        tree.fill(Mountpoint)
        const contestants = [clone(engine), copier(Mountpoint, `${Mountpoint}-copy`)]
        yield { title: tree.title, unit: 'ms', rounds: ROUNDS, contestants }
        await send(engine.socket, 'DELETE', `/volumes/${SOURCE}?now=true`)
      }
    }
  },
} satisfies Case
