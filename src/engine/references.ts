/** From what a user types to a record: full id, name, or unique prefix of an id. */
import { TsnetError } from '../errors.ts'
import type { ContainerRecord, NetworkRecord } from '../store/records.ts'
import type { Collection } from '../store/store.ts'

function find<R extends { readonly id: string; readonly name: string }>(
  records: Collection<R>,
  ref: string,
  what: string,
): R | undefined {
  const exact = records.get(ref)
  if (exact !== undefined) return exact
  let byPrefix: R | undefined
  let matches = 0
  for (const record of records.values()) {
    if (record.name === ref) return record
    if (ref.length > 0 && record.id.startsWith(ref)) {
      byPrefix = record
      matches++
    }
  }
  if (matches <= 1) return byPrefix
  throw new TsnetError(
    'invalid',
    'ambiguous-id',
    `multiple IDs found with provided prefix: ${ref} (${matches} ${what}s): give more digits of the id, or the name`,
  )
}

/** Throws kind 'not-found' with Docker's sentence. */
export function findContainer(records: Collection<ContainerRecord>, ref: string): ContainerRecord {
  const name = ref.startsWith('/') ? ref.slice(1) : ref
  const found = find(records, name, 'container')
  if (found !== undefined) return found
  throw new TsnetError('not-found', 'no-such-container', `No such container: ${ref}`)
}

/** Throws kind 'not-found' with Docker's sentence. 'default' means the default network. */
export function findNetwork(records: Collection<NetworkRecord>, ref: string): NetworkRecord {
  const found = find(records, ref === 'default' ? 'bridge' : ref, 'network')
  if (found !== undefined) return found
  throw noSuchNetwork(ref)
}

export function noSuchNetwork(ref: string): TsnetError {
  return new TsnetError('not-found', 'no-such-network', `network ${ref} not found`)
}
