import { createHash } from 'node:crypto'
import { TsnetError } from '../../errors.ts'
import type { ArchiveLabel } from '../../values/volume-archive.ts'
import { ArchiveFile } from './archive-file.ts'
import type { Context } from './job.ts'

export interface VerifiedArchive {
  /** The volume that it was made of; null for an archive of others, which has no check sum. */
  readonly label: ArchiveLabel | null
}

/** Compares an archive with its own check sum. Throws kind 'invalid' when it is not whole. */
export function verifyArchive({ archive }: { readonly archive: string }, context: Context): VerifiedArchive {
  using file = new ArchiveFile(archive)
  const { label, seal, size } = file
  if (size === 0) throw broken('it is empty')
  if (label === null) return { label }
  if (seal === null) throw broken('it is cut short: its seal is missing')
  const hash = createHash('sha256')
  for (let part = file.next(seal.bytes); part.length > 0; part = file.next(seal.bytes)) {
    hash.update(part)
    context.progress(file.done, size)
  }
  const digest = hash.digest('hex')
  if (digest === seal.sha256) return { label }
  throw broken(`its sha256 is ${digest}, but ${seal.sha256} is what was exported`)
}

function broken(problem: string): TsnetError {
  return new TsnetError('invalid', 'volume-archive', `the archive is broken: ${problem}`)
}
