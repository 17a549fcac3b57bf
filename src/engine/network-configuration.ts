/** Networks that only hold settings (`--config-only`), and those made from them (`--config-from`), by Docker's rules. */
import { TsnetError } from '../errors.ts'
import type { NetworkRecord, NetworkSpec } from '../store/records.ts'
import type { Parts } from './parts.ts'

function forbidden(message: string): TsnetError {
  return new TsnetError('forbidden', 'bad-network-configuration', message)
}

/** What a network is to be once the settings of the one it names are filled in. Throws kind 'forbidden' and 'not-found'. */
export function withConfiguration(parts: Parts, spec: NetworkSpec): NetworkSpec {
  if (spec.configOnly) return checkConfiguration(spec)
  if (spec.configFrom === '') return withDefaults(parts, spec)
  const { configuration, name } = findConfiguration(parts, spec)
  const { internal, attachable, driver } = spec
  return {
    ...configuration,
    name: spec.name,
    driver,
    internal,
    attachable,
    configOnly: false,
    configFrom: name,
  }
}

function checkConfiguration(spec: NetworkSpec): NetworkSpec {
  if (spec.configFrom !== '') {
    throw forbidden('a configuration network cannot depend on another configuration network')
  }
  if (spec.internal || spec.attachable) {
    throw forbidden(
      'configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.',
    )
  }
  // The kind of network is the affair of those that are made from it.
  return { ...spec, driver: 'null' }
}

/** The daemon's options for a driver's networks, where the user gives none. */
function withDefaults(parts: Parts, spec: NetworkSpec): NetworkSpec {
  return { ...spec, options: { ...parts.networkDefaults[spec.driver], ...spec.options } }
}

function findConfiguration(
  parts: Parts,
  spec: NetworkSpec,
): NetworkRecord & { readonly configuration: NetworkSpec } {
  const isOwn = spec.pools.length + count(spec.labels) + count(spec.ipamOptions) + spec.dnsServers.length > 0
  if (isOwn || spec.ipv6 || spec.ipamDriver !== 'default') {
    throw forbidden(
      'user specified configurations are not supported if the network depends on a configuration network',
    )
  }
  if (count(spec.options) > 0) {
    throw forbidden(
      'network driver options are not supported if the network depends on a configuration network',
    )
  }
  const found = parts.store.networks
    .values()
    .find(({ name, id }) => name === spec.configFrom || id === spec.configFrom)
  if (found !== undefined && found.configuration !== null) {
    return { ...found, configuration: found.configuration }
  }
  throw new TsnetError(
    'not-found',
    'no-such-network',
    found === undefined
      ? `configuration network "${spec.configFrom}" does not exist`
      : `network "${spec.configFrom}" is not a configuration network`,
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
