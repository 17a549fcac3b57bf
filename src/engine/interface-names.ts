/** What the interfaces of a container are called: as the user says, else a number that stays over restarts. Pure. */
import { parseEndpointOptions } from '../drivers/endpoint-options.ts'
import { interfacePrefixOf } from '../drivers/network-options.ts'
import { TsnetError } from '../errors.ts'
import type { EndpointRecord, NetworkRecord } from '../store/records.ts'

/**
 * The name that the user gave, the one that the interface has had, or the lowest free number after the network's prefix. `others` are the
 * container's further endpoints, attached or not.
 */
export function interfaceNameOf(
  network: NetworkRecord,
  endpoint: EndpointRecord,
  others: readonly EndpointRecord[],
): string {
  const given = givenName(endpoint)
  if (given !== '') return given
  const taken = new Set(others.map((other) => givenName(other) || other.interfaceName))
  if (endpoint.interfaceName !== '' && !taken.has(endpoint.interfaceName)) return endpoint.interfaceName
  const prefix = interfacePrefixOf(network)
  for (let index = 0; ; index++) if (!taken.has(`${prefix}${index}`)) return `${prefix}${index}`
}

/** Throws kind 'conflict' when two endpoints of a container are to have the same name, or one the name of an interface in use. */
export function refuseTakenNames(endpoints: readonly EndpointRecord[], running: boolean): void {
  const holders = new Map<string, EndpointRecord>()
  const inUse = running ? endpoints.filter(({ interfaceName }) => interfaceName !== '') : []
  for (const endpoint of inUse) holders.set(endpoint.interfaceName, endpoint)
  for (const endpoint of endpoints) {
    const name = givenName(endpoint)
    const holder = holders.get(name) ?? endpoint
    if (holder !== endpoint) {
      throw new TsnetError(
        'conflict',
        'interface-taken',
        `network ${endpoint.networkName}: interface name ${name} is taken by that to network ${holder.networkName}: give another name`,
      )
    }
    if (name !== '') holders.set(name, endpoint)
  }
}

function givenName(endpoint: EndpointRecord): string {
  return parseEndpointOptions(endpoint.request.options).interfaceName
}
