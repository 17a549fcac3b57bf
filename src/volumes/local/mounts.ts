/**
 * Which volumes are mounted for whom. The first user mounts, the last one unmounts; the kernel's own table says what is mounted,
 * so that a crash at any instruction leaves nothing to guess.
 */
import { realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { errorMessage } from '../../errors.ts'
import { readMounts } from '../../sys/mountinfo.ts'
import type { Workers } from '../workers.ts'

/** Milliseconds to write back what is cached; after them the rest goes on without a name (umount2(2), MNT_DETACH). */
const unmountDeadline = 10_000
/** The same while the daemon starts, where nobody uses the volume. */
const sweepDeadline = 2000

/** What is known of a volume's mount without a question to its server. */
export interface MountStatus {
  readonly mounted: boolean
  readonly users: number
  /** Why the last mount failed or the last unmount had to leave something behind; '' when all went well. */
  readonly trouble: string
}

export class VolumeMounts {
  readonly #workers: Workers
  /** Users by the volume's id. */
  readonly #users = new Map<string, Set<string>>()
  readonly #troubles = new Map<string, string>()
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(workers: Workers) {
    this.#workers = workers
  }

  /** Runs `mount` where nothing is mounted at `target`, and counts the user. Safe to repeat for the same user. */
  add(volume: string, user: string, target: string, mount: () => Promise<void>): Promise<void> {
    return this.#inTurn(volume, async () => {
      if (!isMounted(target)) await this.#attempt(volume, mount)
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
      const trouble = await this.#release(target, unmountDeadline)
      if (trouble !== '') this.#troubles.set(volume, trouble)
    })
  }

  /** Counts users that there are already, whatever is mounted. */
  adopt(volume: string, users: readonly string[]): void {
    this.#users.set(volume, new Set(users))
  }

  status(volume: string, target: string): MountStatus {
    return {
      mounted: isMounted(target),
      users: this.#users.get(volume)?.size ?? 0,
      trouble: this.#troubles.get(volume) ?? '',
    }
  }

  /** Unmounts what nobody uses, where something is mounted. */
  async release(targets: readonly string[]): Promise<void> {
    await Promise.all(targets.map((target) => this.#release(target, sweepDeadline)))
  }

  /** Unmounts all below `directory`, whoever has mounted it. */
  async sweep(directory: string): Promise<void> {
    const below = readMounts().filter(({ target }) => target.startsWith(`${resolved(directory)}/`))
    const targets = [...new Set(below.map(({ target }) => target))]
    // What is mounted inside another mount goes with that.
    await this.release(targets.filter((target) => !targets.some((outer) => target.startsWith(`${outer}/`))))
  }

  #usersOf(volume: string): Set<string> {
    const users = this.#users.get(volume) ?? new Set()
    this.#users.set(volume, users)
    return users
  }

  async #attempt(volume: string, mount: () => Promise<void>): Promise<void> {
    try {
      await mount()
      this.#troubles.delete(volume)
    } catch (error) {
      this.#troubles.set(volume, errorMessage(error))
      throw error
    }
  }

  /** Resolves with what was in the way, '' for nothing. */
  async #release(path: string, deadline: number): Promise<string> {
    const target = resolved(path)
    let trouble = ''
    while (isMounted(target)) {
      const options = { subject: `unmounting ${target}`, deadline }
      try {
        await this.#workers.run('unmount', { target, lazy: false }, options)
      } catch (error) {
        // Busy, or its server is dead: it goes when the last one who holds it lets go.
        trouble = errorMessage(error)
        await this.#workers.run('unmount', { target, lazy: true }, options)
      }
    }
    return trouble
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
  const path = resolved(target)
  return readMounts().some((mount) => mount.target === path)
}

/** As the kernel's table has it, where the data root may be behind a link. The last component, where a server may be, is not looked at. */
function resolved(path: string): string {
  try {
    return join(realpathSync(dirname(path)), basename(path))
  } catch {
    // nothing is mounted where there is nothing
    return path
  }
}
