import type { Logger } from '../log.ts'
import { findPluginFile, pluginDirectories } from './locate.ts'
import { Plugin, type Surroundings } from './plugin.ts'

/** The plugins of one daemon, by name. Until `started` is called, calls are short and nothing waits for a plugin. */
export class Plugins {
  readonly #surroundings: Surroundings
  readonly #closing = new AbortController()
  readonly #byName = new Map<string, Plugin>()

  /** Without directories, dockerd's. */
  constructor({ directories, log }: { directories: readonly string[]; log: Logger }) {
    this.#surroundings = {
      directories: directories.length === 0 ? pluginDirectories : directories,
      log,
      closing: this.#closing.signal,
      starting: true,
    }
  }

  /** Whether its socket or file is there; a quick look. */
  has(name: string): boolean {
    return findPluginFile(this.#surroundings.directories, name) !== undefined
  }

  /** What it has said that it implements; null when it was never asked: it may be anything. */
  kindsOf(name: string): readonly string[] | null {
    return this.#byName.get(name)?.kinds ?? null
  }

  /** One object for each name, whether it is there or not. */
  get(name: string): Plugin {
    const plugin = this.#byName.get(name) ?? new Plugin(name, this.#surroundings)
    this.#byName.set(name, plugin)
    return plugin
  }

  /** The daemon's start is over. */
  started(): void {
    this.#surroundings.starting = false
  }

  /** Calls that are under way fail. */
  close(): void {
    this.#closing.abort()
  }
}
