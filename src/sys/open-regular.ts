/**
 * Opens what may have become something else since it was listed. Opening a device is an act upon it, as by which a watchdog
 * begins to count, and a container may put one in the place of a file at any moment: so what it is is found out first.
 */
import { constants } from 'node:fs'
import type { CName } from './at.ts'
import { openPlaceAt, reopen, statOpen } from './at.ts'
import { SyscallError } from './errno.ts'
import { Fd } from './fd.ts'
import type { FileStatus } from './file-status.ts'

/** A regular file to be read, with its status; -1 when it is no such file, or gone. Needs /proc. Throws SyscallError. */
export function openRegularAt(directory: number, name: CName, into: FileStatus): number {
  const found = findPlace(directory, name)
  if (found < 0) return -1
  using place = new Fd(found)
  statOpen(place.number, into)
  return into.isRegular ? reopen(place.number, constants.O_RDONLY, name) : -1
}

function findPlace(directory: number, name: CName): number {
  try {
    return openPlaceAt(directory, name)
  } catch (error) {
    if (error instanceof SyscallError && error.errnoName === 'ENOENT') return -1
    throw error
  }
}
