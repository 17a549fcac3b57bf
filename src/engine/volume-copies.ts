/** Copies of a volume's data, for every driver: the engine is a user of the volume as long as it works on it. */
import { randomBytes } from 'node:crypto'
import { TsnetError } from '../errors.ts'
import type { VolumeRecord } from '../store/records.ts'
import { WorkerError } from '../volumes/workers.ts'
import type { CopyWatch } from './engine.ts'
import type { Parts } from './parts.ts'

/** Milliseconds without any sign of the worker. */
const copyDeadline = 60_000

/** Runs `body` with the path of the volume's data on this host. */
export async function withVolumeMounted<T>(
  parts: Parts,
  volume: VolumeRecord,
  operation: string,
  body: (path: string) => Promise<T>,
): Promise<T> {
  const driver = parts.volumeDriver(volume.driver)
  const user = `tsnet-${operation}-${randomBytes(8).toString('hex')}`
  await using release = new AsyncDisposableStack()
  // Before the mount: one that was given up may have come about.
  release.defer(() => driver.unmount(volume, user))
  return await body(await driver.mount(volume, user))
}

/**
 * Copies a whole tree into an empty or missing directory; returns the bytes of its content. Throws what the worker says; what it
 * has made stays.
 */
export async function copyData(
  parts: Parts,
  subject: string,
  tree: { readonly from: string; readonly to: string },
  watch: CopyWatch,
): Promise<number> {
  using total = measureMeanwhile(parts, subject, tree.from, watch)
  return await naming(subject, () =>
    parts.workers.run('copy-tree', tree, {
      subject,
      deadline: copyDeadline,
      progress: (bytes) => watch.progress?.(bytes, Math.max(total.bytes, bytes)),
      ...(watch.signal && { signal: watch.signal }),
    }),
  )
}

/** What the kernel says of a file in the tree is said of the whole operation. */
export async function naming<T>(subject: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof WorkerError) || error.errno === '') throw error
    throw new TsnetError(error.kind, error.code, `${subject}: ${error.message}`, { cause: error })
  }
}

/** Milliseconds of a copy after which whoever watches wants to know of how much. */
const measuredAfter = 300

/** How much there is to copy is counted by another process at the same time: counting first would make who watches wait. */
function measureMeanwhile(parts: Parts, subject: string, path: string, { progress }: CopyWatch) {
  const stop = new AbortController()
  const options = { subject, deadline: copyDeadline, signal: stop.signal }
  const measure = async (): Promise<void> => {
    try {
      total.bytes = await parts.workers.run('measure-tree', { path }, options)
    } catch {
      // The copy goes on without a total, or says itself what is wrong.
    }
  }
  const timer = progress && setTimeout(() => void measure(), measuredAfter)
  const total = {
    bytes: 0,
    [Symbol.dispose]: () => {
      clearTimeout(timer)
      stop.abort()
    },
  }
  return total
}
