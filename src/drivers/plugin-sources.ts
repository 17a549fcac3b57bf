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
  // A record that is on its way out is there no more while its driver is still needed.
  const remembered = new Set<string>()
  const isKnown = (name: string): boolean => {
    if (isRecorded(name) || plugins.kindsOf(name)?.includes(kind)) remembered.add(name)
    return remembered.has(name) || (plugins.has(name) && plugins.kindsOf(name) === null)
  }
  const find = (name: string): T | undefined => {
    if (!isKnown(name)) return undefined
    const driver = drivers.get(name) ?? create(plugins.get(name))
    drivers.set(name, driver)
    return driver
  }
  const said = (): string[] =>
    plugins
      .list()
      .filter(({ kinds }) => kinds?.includes(kind))
      .map(({ name }) => name)
  return {
    find,
    list: () => [...new Set([...drivers.keys(), ...said()])].flatMap((name) => find(name) ?? []),
  }
}
