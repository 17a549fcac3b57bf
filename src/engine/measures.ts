/** What the engine knows of its working and tells to who measures; nothing is kept for it that is not there anyway. */
import type { QueryCounters } from '../dns/server.ts'
import type { Parts } from './parts.ts'

export interface Measures {
  /** Questions of all containers since the daemon's start. */
  names(): QueryCounters
  /** Asks Docker's plugins whether they are there, which `Drivers.list` tells afterwards. Takes a second at most. */
  probePlugins(): Promise<void>
  /** CNI plugins that networks need, by their names: whether they are there. */
  cniPlugins(): Promise<ReadonlyMap<string, boolean>>
}

export function createMeasures(parts: Parts): Measures {
  return {
    names: () => parts.names.total(),
    probePlugins: () => parts.plugins.probe(),
    async cniPlugins() {
      const all = [...parts.store.networks.values()]
      const asked = parts.networkDrivers().map((driver) => {
        const networks = all.filter((network) => network.driver === driver.name)
        return driver.programs?.(networks) ?? new Map<string, boolean>()
      })
      return new Map((await Promise.all(asked)).flatMap((programs) => [...programs]))
    },
  }
}
