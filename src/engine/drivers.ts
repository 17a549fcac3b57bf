/** All drivers that there are, wherever they come from. */
import type { DriverKind } from '../drivers/registry.ts'
import { TsnetError } from '../errors.ts'
import type { Extension } from '../extensions/extensions.ts'
import type { Plugin } from '../plugins/plugin.ts'
import type { Store } from '../store/store.ts'
import { adoptPools } from './addresses.ts'
import { driverContext } from './driver-context.ts'
import type { DriverInfo, Drivers } from './engine.ts'
import type { Parts } from './parts.ts'

export function createDrivers(parts: Parts): Drivers {
  return {
    list: () => listDrivers(parts),
    get(name) {
      const found = listDrivers(parts).filter((driver) => driver.name === name)
      if (found.length > 0) return found
      throw new TsnetError('not-found', 'no-such-driver', `no such driver: ${name}: see tsnet driver ls`)
    },
    async reload() {
      await parts.extensions.reload()
      await takeUpNetworks(parts)
      return listDrivers(parts).filter(({ origin }) => origin === 'file')
    },
  }
}

/** Networks that could not be restored at the daemon's start for want of their drivers are now. */
async function takeUpNetworks(parts: Parts): Promise<void> {
  const isFile = (kind: DriverKind, name: string): boolean =>
    parts.extensions.list().some((one) => one.name === name && one.kinds.includes(kind))
  const networks = [...parts.store.networks.values()].filter(({ configuration }) => configuration === null)
  await adoptPools(
    parts,
    networks.filter(({ ipamDriver }) => isFile('ipam', ipamDriver)),
  )
  for (const network of networks) {
    if (parts.networkRules.has(network.id) || !isFile('network', network.driver)) continue
    try {
      const rules = await parts.networkDriver(network.driver).createNetwork(driverContext(parts), network)
      parts.networkRules.set(network.id, rules)
    } catch (error) {
      parts.log.error({ err: error, network: network.name }, 'a network could not be restored')
    }
  }
}

/** How many networks or volumes name a driver. */
export function countUsers(store: Store, kind: DriverKind, name: string): number {
  if (kind === 'volume')
    return store.volumes
      .values()
      .filter(({ driver }) => driver === name)
      .toArray().length
  const networks = store.networks.values()
  return networks
    .filter(({ driver, ipamDriver }) => (kind === 'network' ? driver : ipamDriver) === name)
    .toArray().length
}

function listDrivers(parts: Parts): DriverInfo[] {
  const rows = [
    ...parts
      .networkDrivers()
      .map(({ name, capabilities }) => ({ name, kind: 'network' as const, capabilities })),
    ...parts.ipams().map(({ name, from }) => ({ name, kind: 'ipam' as const, capabilities: { from } })),
    ...parts
      .volumeDrivers()
      .map(({ name, scope }) => ({ name, kind: 'volume' as const, capabilities: { scope } })),
  ]
  const loaded = rows.map((row) => ({ ...row, ...originOf(parts, row.kind, row.name) }))
  const unloaded = parts.extensions.list().filter(({ kinds }) => kinds.length === 0)
  const named = new Set(rows.map(({ name }) => name))
  const unknown = parts.plugins.list().filter(({ name }) => !named.has(name))
  return [...loaded, ...unloaded.map(infoOfUnloaded), ...unknown.map(infoOfUnknown)].map((driver) => ({
    ...driver,
    users: driver.kind === '' ? 0 : countUsers(parts.store, driver.kind, driver.name),
  }))
}

function originOf(
  parts: Parts,
  kind: DriverKind,
  name: string,
): Omit<DriverInfo, 'name' | 'kind' | 'capabilities' | 'users'> {
  const none = { path: '', description: '', error: '', loadedAt: '', status: 'ready' as const }
  if (parts.isBuiltInDriver(kind, name)) return { ...none, origin: 'built-in' }
  const file = parts.extensions.list().find((one) => one.name === name && one.kinds.includes(kind))
  if (file === undefined) return originOfPlugin(parts.plugins.list().find((one) => one.name === name))
  const { path, description, error, loadedAt } = file
  return { origin: 'file', path, description, error, loadedAt, status: error === '' ? 'ready' : 'outdated' }
}

/** One that nobody has asked for yet since the daemon's start is known by the records alone. */
function originOfPlugin(plugin: Plugin | undefined): ReturnType<typeof originOf> {
  const error = plugin?.trouble ?? ''
  const status = error === '' ? 'ready' : 'unreachable'
  return { origin: 'plugin', path: plugin?.file ?? '', description: '', error, loadedAt: '', status }
}

/** A plugin's file that leads to nobody. */
function infoOfUnknown(plugin: Plugin): Omit<DriverInfo, 'users'> {
  return { name: plugin.name, kind: '', capabilities: {}, ...originOfPlugin(plugin) }
}

function infoOfUnloaded({ name, path, description, error, loadedAt }: Extension): Omit<DriverInfo, 'users'> {
  return {
    name,
    kind: '',
    origin: 'file',
    capabilities: {},
    status: 'broken',
    path,
    description,
    error,
    loadedAt,
  }
}
