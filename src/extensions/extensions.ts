/** The drivers that operators have written: loaded at the daemon's start, loaded again on demand. */
import type { NetworkDriver } from '../drivers/driver.ts'
import type { DriverKind, DriverSource } from '../drivers/registry.ts'
import { errorMessage, TsnetError } from '../errors.ts'
import type { PoolIpam } from '../ipam/ipam.ts'
import type { Logger } from '../log.ts'
import type { VolumeDriver } from '../volumes/volume.ts'
import { Caller } from './call.ts'
import { driverKinds } from './definition.ts'
import { driverFiles, nameOfFile } from './files.ts'
import { ExtensionIpam } from './ipam.ts'
import type { IsolatedDriver } from './isolation/isolated.ts'
import { type LoadedDriver, loadDriver } from './load.ts'
import { ExtensionNetworks } from './network.ts'
import { ExtensionVolumes } from './volume.ts'

export interface ExtensionOptions {
  /** A folder of drivers, which need not exist. */
  readonly directory: string
  /** Further files and packages. */
  readonly files: readonly string[]
  /** Begins the aliases of links. */
  readonly mark: string
  readonly log: Logger
  /** Names that nobody else may have. */
  isBuiltIn(kind: DriverKind, name: string): boolean
  /** Whether a network or volume names the driver. */
  isUsed(kind: DriverKind, name: string): boolean
  /** A network's or endpoint's id in words. */
  describeOwner(id: string): string
}

/** A file, and what has become of it. */
export interface Extension {
  readonly name: string
  readonly path: string
  readonly description: string
  /** What it serves as; empty when it never loaded. */
  readonly kinds: readonly DriverKind[]
  /** Why it is not in use; of one that was loaded before, why the earlier version goes on. '' when all is well. */
  readonly error: string
  /** ISO 8601, '' for never. */
  readonly loadedAt: string
}

export class Extensions {
  readonly #options: ExtensionOptions
  readonly #networks = new Map<string, ExtensionNetworks>()
  readonly #ipams = new Map<string, ExtensionIpam>()
  readonly #volumes = new Map<string, ExtensionVolumes>()
  /** By path. */
  #extensions = new Map<string, Extension>()
  /** Threads that are in use, by path. */
  readonly #threads = new Map<string, IsolatedDriver>()
  #loading: Promise<unknown> = Promise.resolve()

  readonly networks: DriverSource<NetworkDriver> = this.#sourceOf('network', this.#networks)
  readonly ipams: DriverSource<PoolIpam> = this.#sourceOf('ipam', this.#ipams)
  readonly volumes: DriverSource<VolumeDriver> = this.#sourceOf('volume', this.#volumes)

  constructor(options: ExtensionOptions) {
    this.#options = options
  }

  list(): readonly Extension[] {
    return [...this.#extensions.values()]
  }

  /**
   * Loads what there is now. A file that does not load keeps its earlier version in use, if there was one; what is gone goes
   * unless a network or volume needs it. Never rejects for a driver's sake. One after the other.
   */
  reload(): Promise<readonly Extension[]> {
    const turn = this.#loading.then(() => this.#reload())
    this.#loading = turn.catch(() => {})
    return turn
  }

  async #reload(): Promise<readonly Extension[]> {
    const before = this.#extensions
    const after = new Map<string, Extension>()
    const loads = this.#paths().map(async (path) => [path, await attempt(path, this.#options.log)] as const)
    for (const [path, loaded] of await Promise.all(loads)) {
      after.set(path, this.#takeUp(path, loaded, before.get(path), [...after.values()]))
    }
    for (const [path, extension] of before) {
      if (!after.has(path)) this.#retire(path, extension, after)
    }
    this.#extensions = after
    return this.list()
  }

  #paths(): string[] {
    const { directory, files, log } = this.#options
    try {
      return [...new Set([...driverFiles(directory), ...files])]
    } catch (error) {
      log.error({ err: error, directory }, 'the folder of drivers cannot be read')
      return [...new Set([...this.#extensions.keys(), ...files])]
    }
  }

  #takeUp(
    path: string,
    loaded: LoadedDriver | Error,
    before: Extension | undefined,
    others: readonly Extension[],
  ): Extension {
    const { log } = this.#options
    try {
      if (loaded instanceof Error) throw loaded
      const { name, definition } = loaded
      const kinds = driverKinds.filter((kind) => definition[kind] !== undefined)
      this.#refuseTaken(name, kinds, others)
      this.#install(loaded)
      this.#replaceThread(path, loaded.isolated)
      const dropped = before?.kinds.filter((kind) => before.name !== name || !kinds.includes(kind)) ?? []
      for (const kind of dropped) this.#drop(kind, before?.name ?? '')
      log.info({ driver: name, path, kinds }, 'a driver is loaded')
      return {
        ...{ name, path, kinds, error: '', loadedAt: new Date().toISOString() },
        description: definition.description ?? '',
      }
    } catch (error) {
      if (!(loaded instanceof Error)) loaded.isolated?.close()
      log.error({ path, error: errorMessage(error) }, 'a driver could not be loaded')
      const unloaded = { name: nameOfFile(path), path, description: '', kinds: [], loadedAt: '' }
      return { ...(before ?? unloaded), error: errorMessage(error) }
    }
  }

  #refuseTaken(name: string, kinds: readonly DriverKind[], others: readonly Extension[]): void {
    const builtIn = kinds.find((kind) => this.#options.isBuiltIn(kind, name))
    const other = others.find((one) => one.name === name && one.kinds.some((kind) => kinds.includes(kind)))
    if (builtIn === undefined && other === undefined) return
    const holder = other === undefined ? `tsnet's own ${builtIn} driver` : other.path
    throw new TsnetError(
      'conflict',
      'driver-name',
      `driver ${name}: the name is that of ${holder}: give another one`,
    )
  }

  /** Parts that are in use already get the new code; containers notice nothing. */
  #install({ name, definition, isolated }: LoadedDriver): void {
    const { log, mark, describeOwner } = this.#options
    const callerFor = (kind: DriverKind): Caller => new Caller(name, kind, log, definition.timeout)
    const { network, ipam, volume } = definition
    if (network !== undefined) {
      const caller = callerFor('network')
      put(this.#networks, name, network, caller, () => new ExtensionNetworks(name, mark, network, caller))
    }
    if (ipam !== undefined) {
      const caller = callerFor('ipam')
      put(this.#ipams, name, ipam, caller, () => new ExtensionIpam(name, ipam, caller, describeOwner))
    }
    if (volume !== undefined) {
      const caller = callerFor('volume')
      put(this.#volumes, name, volume, caller, () => new ExtensionVolumes(name, volume, caller))
    }
    if (isolated !== null) isolated.onLoss = () => this.#ipams.get(name)?.forget()
  }

  /** The earlier version's thread ends with the last of its calls. */
  #replaceThread(path: string, isolated: IsolatedDriver | null): void {
    this.#threads.get(path)?.close()
    if (isolated === null) this.#threads.delete(path)
    else this.#threads.set(path, isolated)
  }

  #retire(path: string, extension: Extension, after: Map<string, Extension>): void {
    const { name } = extension
    const used = extension.kinds.filter((kind) => this.#options.isUsed(kind, name))
    for (const kind of extension.kinds.filter((one) => !used.includes(one))) {
      if (![...after.values()].some((other) => other.name === name && other.kinds.includes(kind))) {
        this.#drop(kind, name)
      }
    }
    if (used.length === 0) {
      this.#replaceThread(path, null)
      return
    }
    const error = `${path} is gone: the driver goes on while networks or volumes need it`
    after.set(path, { ...extension, kinds: used, error })
  }

  #drop(kind: DriverKind, name: string): void {
    if (this.#options.isUsed(kind, name)) return
    const maps = { network: this.#networks, ipam: this.#ipams, volume: this.#volumes }
    maps[kind].delete(name)
  }

  #sourceOf<T>(kind: DriverKind, adapters: ReadonlyMap<string, { readonly driver: T }>): DriverSource<T> {
    return {
      find: (name) => adapters.get(name)?.driver ?? this.#refuseBroken(kind, name),
      list: () => [...adapters.values()].map(({ driver }) => driver),
    }
  }

  /** Who names a driver that did not load is told why. */
  #refuseBroken(kind: DriverKind, name: string): undefined {
    const broken = this.list().find((one) => one.name === name && one.kinds.length === 0)
    if (broken === undefined || this.#options.isBuiltIn(kind, name)) return undefined
    throw new TsnetError('unavailable', 'driver-broken', `driver ${name}: ${broken.error}`)
  }
}

async function attempt(path: string, log: Logger): Promise<LoadedDriver | Error> {
  try {
    return await loadDriver(path, log)
  } catch (error) {
    return error as Error
  }
}

function put<P, A extends { replace(part: P, caller: Caller): void }>(
  adapters: Map<string, A>,
  name: string,
  part: P,
  caller: Caller,
  make: () => A,
): void {
  const present = adapters.get(name)
  if (present === undefined) adapters.set(name, make())
  else present.replace(part, caller)
}
