/**
 * Volumes of a Docker plugin. The plugin keeps them; a record says which of them are tsnet's, so that lists never ask it. All
 * users of a volume are counted here and named to the plugin by their ids, once each.
 */
import { TsnetError } from '../errors.ts'
import { isRefusal, isUndone, type Plugin, type PluginAnswer } from '../plugins/plugin.ts'
import type { VolumeRecord, VolumeSpec } from '../store/records.ts'
import { isVolumeName } from '../values/name.ts'
import type { PresentVolume, VolumeDriver, VolumeStatus } from './volume.ts'

/** Milliseconds that a plugin has: dockerd's for what may take long, and less for what it only has to look up. */
const deadlines = {
  Create: 120_000,
  Remove: 60_000,
  Mount: 120_000,
  Unmount: 60_000,
  Path: 10_000,
  Get: 10_000,
  List: 10_000,
}

/** Milliseconds for which what the plugin has is not asked for again. */
const listPause = 1000

/** What is remembered of users that are gone, so that their release is not told twice. */
const rememberedReleases = 1000

type Users = Map<string, string>

export class RemoteVolumes implements VolumeDriver {
  readonly #plugin: Plugin
  #scope: 'local' | 'global' | null = null
  /** By the volume's name: the path of each user, '' where it is not known. */
  readonly #users = new Map<string, Users>()
  /** `user volume` of the last that were released. */
  readonly #released = new Set<string>()
  /** Names of volumes that were made here or recorded when the daemon started, not of those that the plugin had before. */
  readonly #own = new Set<string>()
  readonly #status = new Map<string, VolumeStatus>()
  #present: readonly PresentVolume[] = []
  /** What was asked before one of them may still tell of it. */
  #removals = 0
  /** milliseconds since the epoch; infinite while the plugin is asked */
  #listedAt = 0

  constructor(plugin: Plugin) {
    this.#plugin = plugin
  }

  get name(): string {
    return this.#plugin.name
  }

  /** 'local' until the plugin has said otherwise. */
  get scope(): 'local' | 'global' {
    return this.#scope ?? 'local'
  }

  /** The plugin alone knows its options, and says so when it is asked for the volume. */
  checkOptions(): void {}

  /** A volume that the plugin has already becomes one of tsnet's, with what is in it. */
  async create(name: string, options: VolumeSpec['options']): Promise<string> {
    const present = await this.#get(name)
    await this.#learnScope()
    if (present !== null) return present
    await this.#call('Create', { Name: name, Opts: options })
    this.#own.add(name)
    return (await this.#get(name)) ?? ''
  }

  /** A create that is undone, which has no path yet, takes nothing away that the plugin had before. */
  async remove({ name, mountpoint }: VolumeRecord): Promise<void> {
    if (mountpoint !== '' || this.#own.has(name)) await this.#remove(name)
    this.#own.delete(name)
    this.#users.delete(name)
    this.#status.delete(name)
    this.#present = this.#present.filter((volume) => volume.name !== name)
    this.#removals++
  }

  async #remove(name: string): Promise<void> {
    try {
      await this.#call('Remove', { Name: name })
    } catch (error) {
      // Also one that is gone is refused.
      if (!isRefusal(error) || (await this.#get(name)) !== null) throw error
    }
  }

  async mount({ name }: VolumeRecord, user: string): Promise<string> {
    const users = this.#usersOf(name)
    const path = users.get(user)
    if (path) return path
    if (path === '') return this.#mountpoint('Path', name, { Name: name })
    // Before the call: one that was given up may have come about.
    users.set(user, '')
    try {
      const mountpoint = await this.#mountpoint('Mount', name, { Name: name, ID: user }, user)
      users.set(user, mountpoint)
      return mountpoint
    } catch (error) {
      if (isUndone(error)) this.#forget(name, user)
      throw error
    }
  }

  /** One that this daemon has never seen is of a start that an earlier one did not finish: the plugin may know it or not. */
  async unmount({ name }: VolumeRecord, user: string): Promise<void> {
    const isKnown = this.#users.get(name)?.has(user) === true
    if (!isKnown && this.#released.has(`${user} ${name}`)) return
    try {
      await this.#call('Unmount', { Name: name, ID: user })
    } catch (error) {
      if (isKnown || !isRefusal(error)) throw error
    }
    this.#forget(name, user)
  }

  /** The plugin has its mounts still, and is not asked: it may not be there yet. */
  async restore(
    volumes: readonly { readonly volume: VolumeRecord; readonly users: readonly string[] }[],
  ): Promise<void> {
    for (const { volume, users } of volumes) {
      this.#own.add(volume.name)
      this.#users.set(volume.name, new Map(users.map((user) => [user, ''])))
    }
  }

  /** What the plugin last told, and what is wrong with it now. */
  status({ name }: VolumeRecord): VolumeStatus | null {
    const { trouble } = this.#plugin
    const told = this.#status.get(name) ?? null
    return trouble === '' ? told : { ...told, trouble }
  }

  present(): readonly PresentVolume[] {
    if (Date.now() > this.#listedAt + listPause) {
      this.#listedAt = Number.POSITIVE_INFINITY
      void this.#list().finally(() => {
        this.#listedAt = Date.now()
      })
    }
    return this.#present
  }

  /** A plugin that does not answer has nothing. */
  async #list(): Promise<void> {
    const removals = this.#removals
    const { Volumes: volumes } = await this.#call('List', {}).catch((): PluginAnswer => ({}))
    if (removals !== this.#removals) return
    const told = Array.isArray(volumes) ? (volumes as (PluginAnswer | null)[]) : []
    const text = (value: unknown): string => (typeof value === 'string' ? value : '')
    this.#present = told
      .map((volume) => ({
        name: text(volume?.['Name']),
        mountpoint: text(volume?.['Mountpoint']),
        createdAt: text(volume?.['CreatedAt']),
      }))
      .filter(({ name }) => isVolumeName(name))
  }

  #usersOf(name: string): Users {
    const users: Users = this.#users.get(name) ?? new Map()
    this.#users.set(name, users)
    return users
  }

  #forget(name: string, user: string): void {
    this.#users.get(name)?.delete(user)
    this.#released.add(`${user} ${name}`)
    const [oldest] = this.#released
    if (this.#released.size > rememberedReleases && oldest !== undefined) this.#released.delete(oldest)
  }

  /** The volume's path, '' while the plugin has none; null for no such volume. */
  async #get(name: string): Promise<string | null> {
    try {
      const { Volume: volume } = await this.#call('Get', { Name: name })
      if (typeof volume !== 'object' || volume === null) return null
      const { Mountpoint: path, Status: status } = volume as PluginAnswer
      this.#status.set(name, plainStatus(status))
      return typeof path === 'string' ? path : ''
    } catch (error) {
      if (isRefusal(error)) return null
      throw error
    }
  }

  /** Plugins of the first version do not know the question. */
  async #learnScope(): Promise<void> {
    if (this.#scope !== null) return
    try {
      const answer = await this.#plugin.call('VolumeDriver.Capabilities', {}, { deadline: deadlines.Get })
      const { Scope: scope } = (answer['Capabilities'] ?? {}) as PluginAnswer
      this.#scope = scope === 'global' ? 'global' : 'local'
    } catch (error) {
      if (!isRefusal(error)) throw error
      this.#scope = 'local'
    }
  }

  async #mountpoint(verb: 'Mount' | 'Path', name: string, body: object, waiter?: string): Promise<string> {
    const { Mountpoint: path } = await this.#call(verb, body, waiter)
    if (typeof path === 'string' && path.startsWith('/')) return path
    throw new TsnetError(
      'internal',
      'plugin-answer',
      `driver ${this.name}: its answer to VolumeDriver.${verb} for volume ${name} has the mountpoint ${JSON.stringify(path ?? '')}: an absolute path is wanted`,
    )
  }

  #call(verb: keyof typeof deadlines, body: object, waiter?: string): Promise<PluginAnswer> {
    const options = { deadline: deadlines[verb], ...(waiter !== undefined && { waiter }) }
    return this.#plugin.call(`VolumeDriver.${verb}`, body, options)
  }
}

/** As `inspect` shows it: what is no plain value is told in JSON. */
function plainStatus(status: unknown): VolumeStatus {
  if (typeof status !== 'object' || status === null) return {}
  return Object.fromEntries(
    Object.entries(status).map(([key, value]) => [
      key,
      ['string', 'number', 'boolean'].includes(typeof value) ? value : JSON.stringify(value),
    ]),
  )
}
