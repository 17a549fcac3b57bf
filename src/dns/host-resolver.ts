/** The host's own resolver settings: its resolv.conf, followed as it changes, and what the daemon was told instead. */
import { existsSync, type FSWatcher, readFileSync, readlinkSync, watch } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { hostUpstreams } from './resolv-conf.ts'

export interface HostResolverOptions {
  /** Usually /etc/resolv.conf. */
  readonly path: string
  /** The daemon's --dns; empty for the file's servers. */
  readonly servers: readonly string[]
  /** The daemon's --dns-search and --dns-opt; empty for the file's. */
  readonly search: readonly string[]
  readonly options: readonly string[]
}

/** Asked when the host names nobody, as Docker does. */
const publicServers = ['8.8.8.8', '8.8.4.4', '2001:4860:4860::8888'] as const
/** As many links as the kernel follows (path_resolution(7)). */
const maxLinks = 40
/** milliseconds: a file that is written anew is empty for a moment */
const settleTime = 50

export class HostResolver {
  /** As given. */
  readonly configured: HostResolverOptions
  #watchers: FSWatcher[] = []
  #text: string | null = null
  /** What the file said when its servers were last asked for. */
  #read: { readonly text: string; readonly servers: readonly string[] } | null = null
  #told = ''
  #settling: NodeJS.Timeout | undefined
  #onChange: () => void = () => {}

  constructor(options: HostResolverOptions) {
    this.configured = options
  }

  /** The file as it is now, '' where there is none. */
  get text(): string {
    if (this.#text !== null) return this.#text
    const text = readText(this.configured.path)
    // without watchers nobody would say that it is out of date
    if (this.#watchers.length > 0) this.#text = text
    return text
  }

  /** Addresses of the host's name servers, of which there may be none. */
  get ownServers(): readonly string[] {
    if (this.configured.servers.length > 0) return this.configured.servers
    // asked for at each query
    const { text } = this
    if (this.#read?.text !== text) this.#read = { text, servers: hostUpstreams(text) }
    return this.#read.servers
  }

  /** Whom to ask for the containers. */
  get servers(): readonly string[] {
    const own = this.ownServers
    return own.length > 0 ? own : publicServers
  }

  /** Follows the file from now on, by inotify(7): whether it is written, replaced, or a link to it turned. */
  follow(onChange: () => void): void {
    this.#onChange = onChange
    this.#told = this.text
    this.#arm()
  }

  close(): void {
    clearTimeout(this.#settling)
    this.#disarm()
  }

  #arm(): void {
    this.#disarm()
    try {
      for (const path of linkedPaths(this.configured.path)) this.#watchPlace(path)
      this.#watchFile()
    } catch {
      // inotify's limit is reached: the file is read each time it is asked for
      this.#disarm()
    }
  }

  /** Hears when something else comes to be at `path`, also when its directory, or the one above that, is not there yet. */
  #watchPlace(path: string): void {
    const directory = dirname(path)
    if (path === directory) return
    try {
      this.#watch(directory, (name) => name === null || resolve(directory, name) === path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      this.#watchPlace(directory)
      // it may have come just before it was watched for
      if (existsSync(directory)) this.#changed()
    }
  }

  /** Where something is mounted on the file, its directory does not hear of what is written into it. */
  #watchFile(): void {
    try {
      this.#watch(this.configured.path, () => true)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }

  #watch(path: string, isMeant: (name: string | null) => boolean): void {
    const watcher = watch(path, { persistent: false }, (_, name) => isMeant(name) && this.#changed())
    watcher.on('error', () => this.#arm())
    this.#watchers.push(watcher)
  }

  #disarm(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close()
    this.#text = null
  }

  #changed(): void {
    this.#text = null
    this.#settling ??= setTimeout(() => this.#settle(), settleTime).unref()
  }

  #settle(): void {
    this.#settling = undefined
    this.#arm()
    const { text } = this
    if (text === this.#told) return
    this.#told = text
    this.#onChange()
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** The path, what it is a link to, and so on. */
function linkedPaths(path: string): string[] {
  const paths = [path]
  try {
    for (let at = path; paths.length < maxLinks; paths.push(at)) at = resolve(dirname(at), readlinkSync(at))
  } catch {
    // the end of the chain is a file, or missing
  }
  return paths
}
