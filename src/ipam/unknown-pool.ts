import { TsnetError } from '../errors.ts'
import type { PoolRecord } from '../store/records.ts'

/** What an address manager says of a pool that no network has requested or taken up. */
export function unknownPool({ subnet }: Pick<PoolRecord, 'subnet'>): TsnetError {
  return new TsnetError('not-found', 'no-such-pool', `address pool ${subnet} is not in use by any network`)
}
