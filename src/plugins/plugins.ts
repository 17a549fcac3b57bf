import { followPlugins, pluginNames } from './follow.ts'
import { pluginDirectories } from './locate.ts'
import { findFile, Plugin, type Surroundings } from './plugin.ts'

export interface PluginWait {
  readonly plugin: string
  /** ISO 8601 */
  readonly since: string
}

/** The plugins of one daemon, by name. Until `started` is called, calls are short and nothing waits for a plugin. */
export class Plugins {
  readonly #surroundings: Surroundings
  readonly #closing = new AbortController()
  readonly #byName = new Map<string, Plugin>()

  #following: Disposable | null = null

  /** Without directories, dockerd's. */
  constructor({
    directories,
    isOwn = () => false,
    onKnown = () => {},
    log,
  }: Partial<Pick<Surroundings, 'isOwn' | 'onKnown'>> & Pick<Surroundings, 'directories' | 'log'>) {
    this.#surroundings = {
      directories: directories.length === 0 ? pluginDirectories : directories,
      isOwn,
      onKnown,
      log,
      closing: this.#closing.signal,
      starting: true,
    }
  }

  /** Whether its socket or file is there; a quick look. */
  has(name: string): boolean {
    return findFile(this.#surroundings, name) !== ''
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

  /** Those that have said what they are, or that somebody has asked for. */
  list(): readonly Plugin[] {
    return [...this.#byName.values()].filter(({ kinds, trouble }) => kinds !== null || trouble !== '')
  }

  /** Asks those of the list whether they are there, all at once. */
  async probe(): Promise<void> {
    await Promise.all(this.list().map((plugin) => plugin.probe()))
  }

  /** For which plugin somebody waits now, and since when; null for none. */
  waitOf(waiter: string): PluginWait | null {
    for (const plugin of this.#byName.values()) {
      const since = plugin.waitsSince(waiter)
      if (since !== undefined) return { plugin: plugin.name, since }
    }
    return null
  }

  /** The daemon's start is over. From now on plugins are asked what they are as they come, those that are there at once. */
  started(): void {
    this.#surroundings.starting = false
    const { directories } = this.#surroundings
    this.#following = followPlugins(directories, (name) => this.get(name).changed())
    for (const name of pluginNames(directories)) this.get(name).changed()
  }

  /** Calls that are under way fail. */
  close(): void {
    this[Symbol.dispose]()
  }

  [Symbol.dispose](): void {
    this.#following?.[Symbol.dispose]()
    this.#closing.abort()
  }
}
