import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import type { Case, Contestant } from '../case.ts'
import type { Engine } from '../engines/engine.ts'
import { send, timed } from '../request.ts'
import { copier, smallFiles } from '../tree.ts'

const SOURCE = 'bench-clone'
const MIB = 2 ** 20
const LARGE_MIB = 128
/** They take long, and the disk has much to write after each. */
const ROUNDS = 5

/** With `keeps` each clone stays, as copies of cp do. */
function cloner({ name, socket }: Engine, source: string, keeps: boolean): Contestant {
  let clones = 0
  return {
    name,
    async sample() {
      const Name = `${source}-clone-${clones++}`
      const took = await timed(() => send(socket, 'POST', `/tsnet/v1/volumes/${source}/clone`, { Name }))
      if (!keeps) await send(socket, 'DELETE', `/volumes/${Name}?now=true`)
      return took
    },
  }
}

function fillLarge(root: string): void {
  const block = randomBytes(MIB)
  for (let part = 0; part < LARGE_MIB; part++) writeFileSync(`${root}/large`, block, { flag: 'a' })
}

export default {
  name: 'clone',
  order: 16,
  title: 'A volume’s clone beside cp',
  about:
    'The same tree is copied on the same file system, by the API with all that belongs to a new volume, and by cp alone. Copies of many files stay meanwhile.',
  async *rows(stage) {
    const trees = [
      { title: smallFiles.title, fill: (root: string) => smallFiles.fill(root), keeps: true },
      { title: `one file of ${LARGE_MIB} MiB`, fill: fillLarge, keeps: false },
    ]
    for (const engine of await stage.engines('tsnet')) {
      for (const [index, tree] of trees.entries()) {
        const source = `${SOURCE}-${index}`
        const made = await send(engine.socket, 'POST', '/volumes/create', { Name: source })
        const { Mountpoint } = made.json() as { Mountpoint: string }
        tree.fill(Mountpoint)
        const copies = `${Mountpoint}-copies`
        mkdirSync(copies)
        const contestants = [cloner(engine, source, tree.keeps), copier(Mountpoint, copies, tree.keeps)]
        yield { title: tree.title, unit: 'ms', rounds: ROUNDS, contestants }
      }
    }
  },
} satisfies Case
