/**
 * Looks after the trash: what has been in it long enough goes, the oldest goes first when the file system gets full, and what
 * came in is measured. Awake when something was thrown away, at the next end, and once a day while there is anything.
 */
import { statfs } from 'node:fs/promises'
import type { TrashRecord } from '../store/records.ts'
import type { Parts } from './parts.ts'
import { endOf, purge } from './volume-trash.ts'

/** milliseconds */
const day = 86_400_000

/** Begins now; the returned object ends it. */
export function keepTrash(parts: Parts): Disposable {
  const keeper = new TrashKeeper(parts)
  const unsubscribe = parts.events.subscribe(({ type, action }) => {
    if (type === 'volume' && action === 'trash') keeper.wake()
  })
  keeper.wake()
  return {
    [Symbol.dispose]: () => {
      unsubscribe()
      keeper.stop()
    },
  }
}

class TrashKeeper {
  readonly #parts: Parts
  #timer: NodeJS.Timeout | undefined
  #working = false
  /** Something came in while it worked. */
  #again = false
  #stopped = false
  /** When it last looked what is due, in milliseconds since the epoch. */
  #looked = 0

  constructor(parts: Parts) {
    this.#parts = parts
  }

  wake(): void {
    this.#again = true
    if (!this.#working && !this.#stopped) void this.#work()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  async #work(): Promise<void> {
    this.#working = true
    clearTimeout(this.#timer)
    while (this.#again && !this.#stopped) {
      this.#again = false
      await this.#expire()
      await this.#attempt('the trash could not make room', () => this.#makeRoom())
      await this.#attempt('the trash could not be measured', () => this.#measure())
    }
    this.#working = false
    if (!this.#stopped) this.#sleep()
  }

  async #attempt(complaint: string, body: () => Promise<unknown>): Promise<void> {
    try {
      await body()
    } catch (error) {
      this.#parts.log.warn({ err: error }, complaint)
    }
  }

  /** Oldest first. */
  #trashed(): TrashRecord[] {
    const records = [...this.#parts.store.trash.values()]
    return records.sort((one, other) => (one.removedAt < other.removedAt ? -1 : 1))
  }

  async #expire(): Promise<void> {
    this.#looked = Date.now()
    for (const record of this.#trashed()) {
      if (endOf(this.#parts, record.removedAt) > this.#looked) continue
      await this.#attempt('what is due could not be removed from the trash', () => purge(this.#parts, record))
    }
  }

  async #makeRoom(): Promise<void> {
    for (const record of this.#trashed()) {
      const { bavail, blocks } = await statfs(this.#parts.dataRoot)
      if (bavail >= blocks * this.#parts.trashLimits.space) return
      this.#parts.log.info(
        { volume: record.volume.name },
        'a volume leaves the trash: the disk is getting full',
      )
      await purge(this.#parts, record)
    }
  }

  async #measure(): Promise<void> {
    const { store } = this.#parts
    for (const { volume, size } of this.#trashed()) {
      const { storage } = this.#parts.volumeDriver(volume.driver)
      if (size >= 0 || storage === undefined || this.#stopped) continue
      const measured = await storage.measure(volume.id)
      const present = store.trash.get(volume.id)
      if (present !== undefined) store.trash.put(volume.id, { ...present, size: measured })
    }
  }

  #sleep(): void {
    const ends = this.#trashed().map(({ removedAt }) => endOf(this.#parts, removedAt))
    if (ends.length === 0) return
    // One that is overdue could not be removed: not before tomorrow again.
    const next = ends.find((end) => end > this.#looked) ?? Number.POSITIVE_INFINITY
    const wait = Math.min(day, Math.max(0, next - Date.now()))
    this.#timer = setTimeout(() => this.wake(), wait).unref()
  }
}
