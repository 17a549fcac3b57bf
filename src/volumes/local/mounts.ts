/**
 * Which volumes are mounted for whom. The first user mounts, the last one unmounts; the kernel's own table says what is mounted,
 * so that a crash at any instruction leaves nothing to guess.
 */
import { readMounts } from '../../sys/mountinfo.ts'
import type { Workers } from '../workers.ts'

/** Milliseconds to write back what is cached; after them the rest goes on without a name (umount2(2), MNT_DETACH). */
const unmountDeadline = 10_000
/** The same while the daemon starts, where nobody uses the volume. */
const sweepDeadline = 2000

export class VolumeMounts {
  readonly #workers: Workers
  /** Users by the volume's id. */
  readonly #users = new Map<string, Set<string>>()
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(workers: Workers) {
    this.#workers = workers
  }

  /** Runs `mount` where nothing is mounted at `target`, and counts the user. Safe to repeat for the same user. */
  add(volume: string, user: string, target: string, mount: () => Promise<void>): Promise<void> {
    return this.#inTurn(volume, async () => {
      if (!isMounted(target)) await mount()
      this.#usersOf(volume).add(user)
    })
  }

  /** Unmounts what is at `target` after the last user. Safe to repeat. */
  remove(volume: string, user: string, target: string): Promise<void> {
    return this.#inTurn(volume, async () => {
      const users = this.#usersOf(volume)
      users.delete(user)
      if (users.size > 0) return
      this.#users.delete(volume)
      await this.#release(target, unmountDeadline)
    })
  }

  /** Counts users that there are already, whatever is mounted. */
  adopt(volume: string, users: readonly string[]): void {
    this.#users.set(volume, new Set(users))
  }

  isUsed(volume: string): boolean {
    return (this.#users.get(volume)?.size ?? 0) > 0
  }

  /** Unmounts all below `directory` that `keeps` does not want. */
  async sweep(directory: string, keeps: (target: string) => boolean): Promise<void> {
    const targets = new Set(readMounts().map(({ target }) => target))
    const left = [...targets].filter((target) => target.startsWith(`${directory}/`) && !keeps(target))
    await Promise.all(left.map((target) => this.#release(target, sweepDeadline)))
  }

  #usersOf(volume: string): Set<string> {
    const users = this.#users.get(volume) ?? new Set()
    this.#users.set(volume, users)
    return users
  }

  async #release(target: string, deadline: number): Promise<void> {
    while (isMounted(target)) {
      const input = { target, lazy: false }
      const options = { subject: target, deadline }
      try {
        await this.#workers.run('unmount', input, options)
      } catch {
        // Busy, or its server is dead: it goes when the last one who holds it lets go.
        await this.#workers.run('unmount', { ...input, lazy: true }, options)
      }
    }
  }

  /** One change at a time for each volume. */
  async #inTurn(volume: string, change: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(volume) ?? Promise.resolve()).catch(() => {}).then(change)
    this.#turns.set(volume, turn)
    try {
      await turn
    } finally {
      if (this.#turns.get(volume) === turn) this.#turns.delete(volume)
    }
  }
}

/** The kernel's table is read, not asked of the file system: a dead server is not noticed. */
export function isMounted(target: string): boolean {
  return readMounts().some((mount) => mount.target === target)
}
