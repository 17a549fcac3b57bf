import type { Case, Contestant } from '../case.ts'
import type { Engine } from '../engines/engine.ts'
import { send, timed } from '../request.ts'

const COUNT = 5000
/** How many are made and removed at a time. */
const AT_ONCE = 50

const nameOf = (index: number): string => `bench-list-${index}`

async function forEachVolume(work: (name: string) => Promise<unknown>): Promise<void> {
  const names = Array.from({ length: COUNT }, (_, index) => nameOf(index)).values()
  const worker = async () => {
    for (const name of names) await work(name)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

const makeAll = ({ socket }: Engine) =>
  forEachVolume((Name) => send(socket, 'POST', '/volumes/create', { Name, Labels: { bench: 'list' } }))

/** Past the trash, which others do not have and do not ask about. */
const removeAll = ({ socket }: Engine) =>
  forEachVolume((name) => send(socket, 'DELETE', `/volumes/${name}?now=1`))

const listing =
  (filters: object) =>
  (engine: Engine): Contestant => ({
    name: engine.name,
    sample: () => {
      const query = `?filters=${encodeURIComponent(JSON.stringify(filters))}`
      return timed(async () => {
        const { Volumes } = (await send(engine.socket, 'GET', `/volumes${query}`)).json() as {
          Volumes: unknown[]
        }
        if (Volumes.length < COUNT) throw new Error(`${engine.name} lists ${Volumes.length} volumes`)
      })
    },
  })

export default {
  name: 'volume-list',
  order: 17,
  title: 'Listing volumes',
  about: `${COUNT.toLocaleString('en')} volumes with a label each, listed over one kept connection to the engine’s unix socket, with the client’s parsing of the answer.`,
  async *rows(stage) {
    const engines = await stage.engines('tsnet', 'dockerd')
    for (const engine of engines) await makeAll(engine)
    yield { title: `list ${COUNT} volumes`, unit: 'ms', contestants: engines.map(listing({})) }
    const dangling = { dangling: ['true'], label: ['bench=list'] }
    yield {
      title: 'list those of them that nobody uses',
      unit: 'ms',
      contestants: engines.map(listing(dangling)),
    }
    for (const engine of engines) await removeAll(engine)
  },
} satisfies Case
