/** An operator's volume driver as one of tsnet's: users are counted here, so that a driver mounts once and unmounts once. */
import { isAbsolute } from 'node:path'
import type { VolumeRecord, VolumeSpec } from '../store/records.ts'
import type { VolumeDriver, VolumeUsage } from '../volumes/volume.ts'
import type { Volume, VolumePart } from './api/volume.ts'
import type { Caller } from './call.ts'
import { type OptionReader, optionReader } from './options.ts'

/** A driver's volumes over its reloads. */
export class ExtensionVolumes {
  readonly name: string
  #part: VolumePart
  #caller: Caller
  #read: OptionReader
  /** The users of each mounted volume, by its id. */
  readonly #users = new Map<string, Set<string>>()
  /** The last call for each volume, by its name. */
  readonly #queue = new Map<string, Promise<unknown>>()

  /** Throws what is wrong with the schema of its options. */
  constructor(name: string, part: VolumePart, caller: Caller) {
    this.name = name
    this.#part = part
    this.#caller = caller
    this.#read = optionReader(name, part.options)
  }

  /** Takes the place of the driver's earlier version. Throws what is wrong with the schema, and changes nothing then. */
  replace(part: VolumePart, caller: Caller): void {
    this.#read = optionReader(this.name, part.options)
    this.#part = part
    this.#caller = caller
  }

  /** As the engine sees it: what it calls goes to the version that is loaded then. */
  get driver(): VolumeDriver {
    const part = () => this.#part
    return {
      name: this.name,
      get scope() {
        return part().scope ?? 'local'
      },
      checkOptions: (options) => void this.#read(options),
      create: (name, options) => this.#inTurn(name, () => this.#create(name, options)),
      remove: (volume) => this.#inTurn(volume.name, () => this.#remove(volume)),
      mount: (volume, user) => this.#inTurn(volume.name, () => this.#mount(volume, user)),
      unmount: (volume, user) => this.#inTurn(volume.name, () => this.#unmount(volume, user)),
      restore: (volumes) => this.#restore(volumes),
      ...(this.#part.usage === undefined ? {} : { usage: (volume: VolumeRecord) => this.#usage(volume) }),
    }
  }

  async #create(name: string, options: VolumeSpec['options']): Promise<string> {
    const volume = { name, options: this.#read(options), path: '' }
    return this.#path(
      'create',
      await this.#caller.call('create', (context) => this.#part.create(volume, context)),
    )
  }

  async #remove(volume: VolumeRecord): Promise<void> {
    await this.#caller.call('remove', (context) => this.#part.remove(this.#view(volume), context))
    this.#users.delete(volume.id)
  }

  async #mount(volume: VolumeRecord, user: string): Promise<string> {
    const users = this.#users.get(volume.id) ?? new Set()
    const { mount } = this.#part
    // Also for a second user: somebody may have unmounted it, and who is asked again gives the same path.
    const path =
      mount === undefined
        ? volume.mountpoint
        : this.#path(
            'mount',
            await this.#caller.call('mount', (context) =>
              mount.call(this.#part, this.#view(volume), context),
            ),
          )
    this.#users.set(volume.id, users.add(user))
    return path
  }

  async #unmount(volume: VolumeRecord, user: string): Promise<void> {
    const users = this.#users.get(volume.id)
    users?.delete(user)
    if ((users?.size ?? 0) > 0) return
    await this.#release(volume)
    this.#users.delete(volume.id)
  }

  async #release(volume: VolumeRecord): Promise<void> {
    await this.#caller.call('unmount', (context) => this.#part.unmount?.(this.#view(volume), context))
  }

  /** A driver that hangs must not keep the daemon from starting: what is unused is released in the background, before its next use. */
  async #restore(
    volumes: readonly { readonly volume: VolumeRecord; readonly users: readonly string[] }[],
  ): Promise<void> {
    for (const { volume, users } of volumes) {
      if (users.length > 0) this.#users.set(volume.id, new Set(users))
      else this.#inTurn(volume.name, () => this.#release(volume)).catch(() => {})
    }
  }

  #usage(volume: VolumeRecord): Promise<VolumeUsage> {
    return this.#caller.call(
      'usage',
      (context) => this.#part.usage?.(this.#view(volume), context) ?? { used: 0, limit: 0 },
    )
  }

  #view(volume: VolumeRecord): Volume<never> {
    return { name: volume.name, options: this.#read(volume.options), path: volume.mountpoint }
  }

  #path(verb: string, path: unknown): string {
    if (typeof path === 'string' && isAbsolute(path)) return path
    throw this.#caller.wrong(verb, `must return an absolute path, not ${JSON.stringify(path)}`)
  }

  /** One call for a volume after the other. */
  #inTurn<T>(name: string, body: () => Promise<T>): Promise<T> {
    const before = this.#queue.get(name) ?? Promise.resolve()
    const turn = before.then(body, body)
    const last = turn.then(
      () => undefined,
      () => undefined,
    )
    this.#queue.set(name, last)
    void last.then(() => {
      if (this.#queue.get(name) === last) this.#queue.delete(name)
    })
    return turn
  }
}
