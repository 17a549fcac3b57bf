/** Neighbours on the default network that a container names by `--link`, for its hosts file as in Docker. */
import { TsnetError } from '../errors.ts'
import type { HostEntry } from '../sandbox/files.ts'
import type { ContainerRecord, EndpointRecord } from '../store/records.ts'
import { networkOf } from './endpoints.ts'
import type { Parts } from './parts.ts'

interface Link {
  readonly reference: string
  readonly alias: string
  /** Undefined when it has been removed. */
  readonly target: ContainerRecord | undefined
  /** The target's place on the default network. */
  readonly there: EndpointRecord | undefined
}

/** The alias, host name and name of each linked container that runs, by each of its addresses there. */
export function linkedHosts(parts: Parts, container: ContainerRecord): HostEntry[] {
  return linksOf(parts, container).flatMap(({ alias, target, there }) => {
    if (target?.state.status !== 'running' || there === undefined) return []
    const names = [...new Set([alias, target.hostname, target.name])]
    return addressesOf(there).map((address) => ({ address, names }))
  })
}

/** Throws kind 'invalid' for a link to what there is not. */
export function refuseMissingLinks(parts: Parts, container: ContainerRecord): void {
  const missing = linksOf(parts, container).find(({ target }) => target === undefined)
  if (missing === undefined) return
  const { reference } = missing
  throw new TsnetError(
    'invalid',
    'bad-link',
    `could not get container for ${reference}: No such container: ${reference}`,
  )
}

/** Throws kind 'conflict' for a link to what cannot be reached now. */
export function refuseDeadLinks(parts: Parts, container: ContainerRecord): void {
  for (const { reference, alias, target, there } of linksOf(parts, container)) {
    const name = target?.name ?? reference
    if (target?.state.status !== 'running') {
      throw new TsnetError(
        'conflict',
        'bad-link',
        `Cannot link to a non running container: /${name} AS /${container.name}/${alias}`,
      )
    }
    if (there === undefined) {
      throw new TsnetError(
        'conflict',
        'bad-link',
        `Cannot link to /${name}, as it does not belong to the default network`,
      )
    }
  }
}

function linksOf(parts: Parts, container: ContainerRecord): Link[] {
  const endpoint = container.endpoints.find(
    (one) => one.request.links.length > 0 && networkOf(parts, one).name === 'bridge',
  )
  return (endpoint?.request.links ?? []).map((link) => {
    const [reference = '', alias = reference] = link.split(':')
    const target = findTarget(parts, reference)
    const there = target?.endpoints.find(({ network }) => network === endpoint?.network)
    return { reference, alias, target, there }
  })
}

function findTarget(parts: Parts, reference: string): ContainerRecord | undefined {
  return parts.store.containers
    .values()
    .find(
      ({ id, name }) =>
        name === reference || id === reference || (reference.length >= 12 && id.startsWith(reference)),
    )
}

function addressesOf({ address4, address6 }: EndpointRecord): string[] {
  return [address4, address6].flatMap((address) => (address === '' ? [] : [address.split('/')[0] ?? '']))
}
