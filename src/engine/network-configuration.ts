/** Networks that only hold settings (`--config-only`), and those made from them (`--config-from`), by Docker's rules. */
import { parseBoolean } from '../drivers/network-options.ts'
import { TsnetError } from '../errors.ts'
import type { NetworkRecord, NetworkSpec } from '../store/records.ts'
import type { NetworkWish } from './engine.ts'
import type { Parts } from './parts.ts'

function forbidden(message: string): TsnetError {
  return new TsnetError('forbidden', 'bad-network-configuration', message)
}

/**
 * What a network is to be once the settings of the one it names are filled in. They are copied: what becomes of that one later
 * is for those that are made later. Throws kind 'forbidden', 'not-found' and 'invalid'.
 */
export function withConfiguration(parts: Parts, wish: NetworkWish): NetworkSpec {
  // Of the daemon's options a copy has those that its settings were made with.
  if (wish.configFrom === '' || wish.configOnly) {
    const spec = withFamilies(withDefaults(parts, wish))
    return wish.configOnly ? checkConfiguration(spec) : spec
  }
  const { configuration, name, labels, dnsServers } = findConfiguration(parts, wish)
  const { internal, attachable, driver } = wish
  // Labels and name servers are what `network update` changes, and its record has them as they are now.
  return {
    ...{ ...configuration, labels, dnsServers },
    ...{ name: wish.name, driver, internal, attachable },
    ...{ configOnly: false, configFrom: name },
  }
}

function checkConfiguration(spec: NetworkSpec): NetworkSpec {
  if (spec.internal || spec.attachable) throw operatorFields()
  if (spec.configFrom !== '') {
    throw forbidden('a configuration network cannot depend on another configuration network')
  }
  // The kind of network is the affair of those that are made from it.
  return { ...spec, driver: 'null' }
}

export function operatorFields(): TsnetError {
  return forbidden(
    'configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.',
  )
}

/** The daemon's options for a driver's networks, where the user gives none. */
function withDefaults(parts: Parts, wish: NetworkWish): NetworkWish {
  return { ...wish, options: { ...parts.networkDefaults[wish.driver], ...wish.options } }
}

const familyOptions = { 4: 'com.docker.network.enable_ipv4', 6: 'com.docker.network.enable_ipv6' } as const

/** What the user says of a family outweighs the options, most of all the daemon's; no driver needs to know these. */
function withFamilies(wish: NetworkWish): NetworkSpec {
  const { [familyOptions[4]]: four, [familyOptions[6]]: six, ...options } = wish.options
  const ipv4 = wish.ipv4 ?? parseFamily(wish, 4, four ?? 'true')
  const ipv6 = wish.ipv6 ?? parseFamily(wish, 6, six ?? 'false')
  return { ...wish, ipv4, ipv6, options }
}

function parseFamily({ name }: NetworkWish, family: 4 | 6, value: string): boolean {
  try {
    return parseBoolean(value)
  } catch (error) {
    const text = `network ${name}: option ${familyOptions[family]}: ${(error as Error).message}`
    throw new TsnetError('invalid', 'bad-driver-option', text)
  }
}

function findConfiguration(
  parts: Parts,
  wish: NetworkWish,
): NetworkRecord & { readonly configuration: NetworkSpec } {
  const isOwn = wish.pools.length + count(wish.labels) + count(wish.ipamOptions) + wish.dnsServers.length > 0
  if (isOwn || wish.ipv4 === false || wish.ipv6 === true || wish.ipamDriver !== 'default') {
    throw forbidden(
      'user specified configurations are not supported if the network depends on a configuration network',
    )
  }
  if (count(wish.options) > 0) {
    throw forbidden(
      'network driver options are not supported if the network depends on a configuration network',
    )
  }
  // By its name alone, as in Docker: that is what is locked until the settings are taken.
  const found = parts.store.networks.values().find(({ name }) => name === wish.configFrom)
  if (found !== undefined && found.configuration !== null) {
    return { ...found, configuration: found.configuration }
  }
  throw new TsnetError(
    'not-found',
    'no-such-network',
    found === undefined
      ? `configuration network "${wish.configFrom}" does not exist`
      : `network "${wish.configFrom}" is not a configuration network`,
  )
}

function count(labels: Readonly<Record<string, string>>): number {
  return Object.keys(labels).length
}

/** Throws kind 'forbidden' for settings that others were made from. */
export function refuseUsedConfiguration(parts: Parts, network: NetworkRecord): void {
  const used = parts.store.networks.values().some(({ configFrom }) => configFrom === network.name)
  if (network.configuration === null || !used) return
  throw new TsnetError(
    'forbidden',
    'network-in-use',
    `error while removing network: configuration network "${network.name}" is in use`,
  )
}

/** Throws kind 'forbidden' when there is nothing to connect to. */
export function refuseConfiguration(network: NetworkRecord): void {
  if (network.configuration === null) return
  throw forbidden('cannot create endpoint on configuration-only network')
}
