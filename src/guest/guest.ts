/**
 * tsnet as a plugin of another engine, such as dockerd: a socket for each network driver, and one for addresses and volumes. What it
 * has made for the other engine stands as long as that wants it, whether or not somebody listens.
 */
import { join } from 'node:path'
import { TsnetError } from '../errors.ts'
import { type NetlinkEvent, watchEvents } from '../netlink/events.ts'
import { isUp } from '../netlink/link.ts'
import type { GuestEndpoint } from '../store/guest-records.ts'
import type { EndpointId } from '../values/id.ts'
import { isVolumeName } from '../values/name.ts'
import { GuestAddresses } from './addresses.ts'
import { GuestNetworks } from './networks.ts'
import type { GuestParts } from './parts.ts'
import { type Kinds, PluginServer } from './server.ts'
import { GuestVolumes } from './volumes.ts'

export interface GuestSettings {
  /** Where the other engine looks for plugins. */
  readonly socketDirectory: string
  /** That of the plugin for addresses and volumes, and what the names of network drivers begin with. */
  readonly name: string
}

export interface GuestStatus extends GuestSettings {
  /** By the name that the other engine knows them by. */
  readonly plugins: readonly { readonly name: string; readonly kinds: readonly string[] }[]
}

/** A network of the other engine's. */
export interface GuestNetworkInfo {
  readonly id: string
  readonly driver: string
  readonly subnets: readonly string[]
  readonly endpoints: readonly Pick<GuestEndpoint, 'id' | 'address4' | 'address6' | 'published'>[]
}

/** Among the settings of the installation: what is served is served again after a restart. */
const settingsKey = 'guest'

/** Milliseconds from a link's end to the look at whose it was. */
const settleTime = 500

export class Guest {
  readonly #parts: GuestParts
  readonly #networks: GuestNetworks
  readonly #addresses: GuestAddresses
  readonly #volumes: GuestVolumes
  #servers: PluginServer[] = []
  #watch: Disposable | null = null

  constructor(parts: GuestParts) {
    this.#parts = parts
    this.#networks = new GuestNetworks(parts)
    this.#addresses = new GuestAddresses(parts)
    this.#volumes = new GuestVolumes(parts)
  }

  /** After a start of the daemon: what is recorded stands again. To be called before rules are applied as a whole. */
  async restore(): Promise<void> {
    if (this.#settings() === null && this.#parts.store.guestNetworks.size === 0) return
    await this.#addresses.restore()
    await this.#networks.restore()
  }

  /** Listens again if it did so before. One that cannot does not keep the daemon from starting. */
  async resume(): Promise<void> {
    const settings = this.#settings()
    if (settings === null) return
    await this.#listen(settings).catch((error: unknown) =>
      this.#parts.log.error({ err: error }, 'tsnet does not serve as a plugin'),
    )
  }

  /** From now on, also after restarts. Throws kind 'conflict' when another program listens there. */
  async serve(settings: GuestSettings): Promise<GuestStatus> {
    if (!settings.socketDirectory.startsWith('/')) {
      throw new TsnetError(
        'invalid',
        'plugin-directory',
        `${settings.socketDirectory} is no absolute path: give the directory in which dockerd looks for sockets`,
      )
    }
    if (!isVolumeName(settings.name)) {
      throw new TsnetError(
        'invalid',
        'plugin-name',
        `${settings.name} is no name of a plugin: letters, digits, _, . and - are allowed`,
      )
    }
    await this.#close()
    await this.#listen(settings)
    this.#parts.store.settings.put(settingsKey, JSON.stringify(settings))
    return this.status()!
  }

  /** Nobody listens any more; what stands stays. Safe to repeat. */
  async stop(): Promise<void> {
    this.#parts.store.settings.delete(settingsKey)
    await this.#close()
  }

  /** Null when nobody listens. */
  status(): GuestStatus | null {
    const settings = this.#settings()
    if (settings === null) return null
    const plugins = Object.entries(this.#plugins(settings.name))
    return { ...settings, plugins: plugins.map(([name, kinds]) => ({ name, kinds: Object.keys(kinds) })) }
  }

  networks(): GuestNetworkInfo[] {
    const { guestNetworks, guestEndpoints } = this.#parts.store
    return [...guestNetworks.values()].map(({ network: { id, driver, pools } }) => ({
      id,
      driver,
      subnets: pools.map(({ subnet }) => subnet),
      endpoints: [...guestEndpoints.values()].filter(({ network }) => network === id),
    }))
  }

  /** Whether a plugin's socket is one of these. */
  listensAt(socket: string): boolean {
    const settings = this.#settings()
    if (settings === null) return false
    return Object.keys(this.#plugins(settings.name)).some((name) => socketOf(settings, name) === socket)
  }

  /** The daemon ends. */
  async close(): Promise<void> {
    await this.#close()
    for (const driver of this.#parts.drivers) await driver.settle?.()
  }

  async #close(): Promise<void> {
    this.#watch?.[Symbol.dispose]()
    this.#watch = null
    await Promise.all(this.#servers.splice(0).map((server) => server.close()))
  }

  async #listen(settings: GuestSettings): Promise<void> {
    this.#watch = this.#watchLinks()
    try {
      for (const [plugin, kinds] of Object.entries(this.#plugins(settings.name))) {
        const socket = socketOf(settings, plugin)
        this.#servers.push(await PluginServer.listen(socket, kinds, this.#parts.log))
      }
    } catch (error) {
      await this.#close()
      throw error
    }
  }

  /**
   * A link that goes may be that of a container that died with its engine, or somebody has taken a network's. In the usual course its end
   * is told a moment later.
   */
  #watchLinks(): Disposable {
    const suspects = new Set<string>()
    const look = (): void => {
      const networks = [...suspects]
      suspects.clear()
      Promise.all([this.#networks.evictGone(), ...networks.map((id) => this.#networks.repair(id))]).catch(
        (error: unknown) => this.#parts.log.warn({ err: error }, 'not all links are as they should be'),
      )
    }
    let timer: NodeJS.Timeout | null = null
    const watch = watchEvents((event) => {
      const concerned = this.#networksOf(event)
      if (concerned === null) return
      for (const id of concerned) suspects.add(id)
      clearTimeout(timer ?? undefined)
      timer = setTimeout(look, settleTime).unref()
    })
    return {
      [Symbol.dispose]() {
        clearTimeout(timer ?? undefined)
        watch[Symbol.dispose]()
      },
    }
  }

  /** Whose links are to be looked at after an event; null when it is no sign of anything. */
  #networksOf(event: NetlinkEvent): string[] | null {
    const { guestNetworks, guestEndpoints } = this.#parts.store
    if (event.type === 'lost') return [...guestNetworks.values()].map(({ network }) => network.id)
    const isGone = event.type === 'link-removed'
    if (!isGone && (event.type !== 'link' || isUp(event.link))) return null
    const id = event.link.alias.split(':').at(-1) ?? ''
    if (guestNetworks.has(id)) return [id]
    return isGone && guestEndpoints.has(id) ? [] : null
  }

  evict(endpoint: EndpointId): Promise<void> {
    return this.#networks.evict(endpoint)
  }

  #plugins(name: string): Readonly<Record<string, Kinds>> {
    const networks = this.#parts.drivers.map((driver) => [
      `${name}-${driver.name}`,
      { NetworkDriver: this.#networks.verbs(driver) },
    ])
    return {
      [name]: { IpamDriver: this.#addresses.verbs(), VolumeDriver: this.#volumes.verbs() },
      ...Object.fromEntries(networks),
    }
  }

  #settings(): GuestSettings | null {
    const text = this.#parts.store.settings.get(settingsKey)
    return text === undefined ? null : (JSON.parse(text) as GuestSettings)
  }
}

function socketOf({ socketDirectory }: GuestSettings, plugin: string): string {
  return join(socketDirectory, `${plugin}.sock`)
}
