/** Neighbours on the default network that a container names by `--link`, for its hosts file as in Docker. */
import type { HostEntry } from '../sandbox/files.ts'
import type { ContainerRecord, EndpointRecord } from '../store/records.ts'
import { networkOf } from './endpoints.ts'
import type { Parts } from './parts.ts'

/** The alias, host name and name of each linked container that runs, by each of its addresses there. */
export function linkedHosts(parts: Parts, container: ContainerRecord): HostEntry[] {
  const endpoint = container.endpoints.find((one) => networkOf(parts, one).name === 'bridge')
  return (endpoint?.request.links ?? []).flatMap((link) => {
    const [reference = '', alias = reference] = link.split(':')
    const target = findTarget(parts, reference)
    const there = target?.endpoints.find(({ network }) => network === endpoint?.network)
    if (target === undefined || there === undefined) return []
    const names = [...new Set([alias, target.hostname, target.name])]
    return addressesOf(there).map((address) => ({ address, names }))
  })
}

function findTarget(parts: Parts, reference: string): ContainerRecord | undefined {
  return parts.store.containers
    .values()
    .find(
      ({ id, name, state }) =>
        state.status === 'running' &&
        (name === reference || id === reference || (reference.length >= 12 && id.startsWith(reference))),
    )
}

function addressesOf({ address4, address6 }: EndpointRecord): string[] {
  return [address4, address6].flatMap((address) => (address === '' ? [] : [address.split('/')[0] ?? '']))
}
