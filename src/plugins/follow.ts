/** Plugins that come: what happens in their directories, told as it happens. */
import { existsSync, type FSWatcher, readdirSync, watch } from 'node:fs'
import { dirname } from 'node:path'

/** What a plugin's file may end in, or nothing for a directory with its socket. */
const endings = /\.(sock|spec|json)$/

/** Names for which there may be plugins in the directories now. */
export function pluginNames(directories: readonly string[]): string[] {
  return [...new Set(directories.flatMap(list).map(nameOf))]
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

function nameOf(file: string): string {
  return file.replace(endings, '')
}

/**
 * Calls `told` with the name of each plugin whose file comes, changes or goes, until disposed of. A directory that is missing is waited
 * for in the nearest one above it that is there.
 */
export function followPlugins(directories: readonly string[], told: (name: string) => void): Disposable {
  const followers = directories.map((directory) => new Follower(directory, told))
  return {
    [Symbol.dispose]() {
      for (const follower of followers) follower.close()
    },
  }
}

class Follower {
  readonly #directory: string
  readonly #told: (name: string) => void
  #watcher: FSWatcher | null = null
  #isClosed = false

  constructor(directory: string, told: (name: string) => void) {
    this.#directory = directory
    this.#told = told
    this.#follow()
  }

  close(): void {
    this.#isClosed = true
    this.#watcher?.close()
  }

  #follow(): void {
    if (this.#isClosed) return
    this.#watcher?.close()
    const present = nearest(this.#directory)
    const isIt = present === this.#directory
    try {
      this.#watcher = watch(present, { persistent: false }, (_, file) => this.#note(isIt, file ?? ''))
      // One that has gone is not watched any more, and comes again.
      this.#watcher.on('error', () => this.#follow())
    } catch (error) {
      // Gone in this moment: what is above it is there. Where the kernel gives no more watches, plugins are found when they are used.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') this.#follow()
    }
  }

  #note(isIt: boolean, file: string): void {
    if (isIt && existsSync(this.#directory)) this.#told(nameOf(file))
    else {
      this.#follow()
      for (const name of list(this.#directory)) this.#told(nameOf(name))
    }
  }
}

function nearest(directory: string): string {
  let present = directory
  while (!existsSync(present) && present !== dirname(present)) present = dirname(present)
  return present
}
