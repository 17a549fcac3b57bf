/** Who owns what a mount makes: `uid:gid`. */
import { TsnetError } from '../errors.ts'

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/** -1 means no id to the kernel. */
const biggestId = 0xffff_fffe

/** Reads `1000:1000`. Throws kind 'invalid'. */
export function parseOwner(text: string): Owner {
  const [uid, gid] = (/^(\d{1,10}):(\d{1,10})$/.exec(text) ?? []).slice(1).map(Number)
  if (uid !== undefined && gid !== undefined && Math.max(uid, gid) <= biggestId) return { uid, gid }
  throw new TsnetError(
    'invalid',
    'bad-owner',
    `invalid owner '${text}': give the numbers of a user and a group, as in 1000:1000`,
  )
}
