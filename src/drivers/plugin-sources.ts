/** Docker plugins as drivers. One object stands for a plugin and kind, whether the plugin is there or not. */
import type { Ipam } from '../ipam/ipam.ts'
import { RemoteIpam } from '../ipam/remote.ts'
import type { Plugin } from '../plugins/plugin.ts'
import type { Plugins } from '../plugins/plugins.ts'
import { RemoteVolumes } from '../volumes/remote.ts'
import type { VolumeDriver } from '../volumes/volume.ts'
import type { NetworkDriver } from './driver.ts'
import type { DriverSource } from './registry.ts'
import { RemoteDriver } from './remote/index.ts'

/** Whether a record names the driver: what it stands for must be told of, and removable, without the plugin. */
export type IsRecorded = (name: string) => boolean

export function volumePlugins(plugins: Plugins, isRecorded: IsRecorded): DriverSource<VolumeDriver> {
  return pluginSource(plugins, 'VolumeDriver', isRecorded, (plugin) => new RemoteVolumes(plugin))
}

export function ipamPlugins(plugins: Plugins, isRecorded: IsRecorded): DriverSource<Ipam> {
  return pluginSource(plugins, 'IpamDriver', isRecorded, (plugin): Ipam => new RemoteIpam(plugin))
}

export function networkPlugins(
  plugins: Plugins,
  isRecorded: IsRecorded,
  isNetwork: (id: string) => boolean,
): DriverSource<NetworkDriver> {
  return pluginSource(
    plugins,
    'NetworkDriver',
    isRecorded,
    (plugin): NetworkDriver => new RemoteDriver(plugin, isNetwork),
  )
}

function pluginSource<T>(
  plugins: Plugins,
  kind: string,
  isRecorded: IsRecorded,
  create: (plugin: Plugin) => T,
): DriverSource<T> {
  const drivers = new Map<string, T>()
  const find = (name: string): T | undefined => {
    if (!isRecorded(name) && !(plugins.has(name) && mayBe(plugins.get(name), kind))) return undefined
    const driver = drivers.get(name) ?? create(plugins.get(name))
    drivers.set(name, driver)
    return driver
  }
  return { find, list: () => [...drivers.keys()].flatMap((name) => find(name) ?? []) }
}

/** One that was never asked may be anything. */
function mayBe({ kinds }: Plugin, kind: string): boolean {
  return kinds === null || kinds.includes(kind)
}
