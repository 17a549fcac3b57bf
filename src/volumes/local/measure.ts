import type { Workers } from '../workers.ts'
import type { Location } from './backing.ts'

/** Milliseconds for all of a volume, whatever its size. */
const patience = 30_000
/** Milliseconds for which a result is told again. */
const remembered = 5000

/** Measures directories, each once at a time however many ask. Returns bytes; rejects when it takes too long. */
export function createMeasure(workers: Pick<Workers, 'run'>): (at: Location) => Promise<number> {
  const known = new Map<string, Promise<number>>()
  return (at) => {
    const present = known.get(at.data)
    if (present !== undefined) return present
    const subject = `volume "${at.name}"`
    const options = { subject, deadline: patience, signal: AbortSignal.timeout(patience) }
    const measured = workers.run('measure-tree', { path: at.data }, options)
    known.set(at.data, measured)
    const forget = (): void => void known.delete(at.data)
    measured.then(() => setTimeout(forget, remembered).unref(), forget)
    return measured
  }
}
