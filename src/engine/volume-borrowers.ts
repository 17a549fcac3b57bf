/** Who has volumes that is no container of tsnet's. */
import { TsnetError } from '../errors.ts'
import type { Parts } from './parts.ts'

/** Who has a volume. */
export function borrowersOf({ store }: Pick<Parts, 'store'>, name: string): string[] {
  const loans = store.loans.values().filter(({ volume }) => volume === name)
  return loans.map(({ user }) => user).toArray()
}

/** Throws kind 'conflict' while another engine has the volume mounted. */
export function refuseLent(parts: Pick<Parts, 'store'>, operation: string, name: string): void {
  const borrowers = borrowersOf(parts, name)
  if (borrowers.length === 0) return
  throw new TsnetError(
    'conflict',
    'volume-in-use',
    `${operation} ${name}: volume is in use by another engine - [${borrowers.join(', ')}]: stop its containers first`,
  )
}
