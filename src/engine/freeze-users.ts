/** Stops the containers that use a volume for a moment, so that what is copied meanwhile is of one moment. */
import { setTimeout } from 'node:timers/promises'
import { TsnetError } from '../errors.ts'
import type { VolumeRecord } from '../store/records.ts'
import { isCgroupFrozen, setCgroupFrozen } from '../sys/cgroup.ts'
import type { Parts } from './parts.ts'
import { volumeUsers } from './volume-users.ts'

/** The containers that run with the volume. */
export function runningUsers(parts: Parts, { name }: VolumeRecord): { id: string; name: string }[] {
  return (volumeUsers(parts).get(name) ?? []).filter(({ state }) => state.status === 'running')
}

/** Milliseconds that programs in the middle of a system call may take to stand still. */
const freezeDeadline = 10_000

/** Returns when none of them runs any more. Throws kind 'unavailable' when one does not stand still; `thaw` is due in any case. */
export async function freeze(parts: Parts, ids: readonly string[]): Promise<void> {
  const end = Date.now() + freezeDeadline
  for (const id of ids) unlessEnded(() => setCgroupFrozen(parts.mark, id, true))
  for (const id of ids) {
    // The kernel tells nobody: version 1 has only a file to read.
    while (!isCgroupFrozen(parts.mark, id)) {
      if (Date.now() > end) throw restless(id)
      // Asking for it again makes version 1 look again, where a process was born in the middle.
      unlessEnded(() => setCgroupFrozen(parts.mark, id, true))
      await setTimeout(1)
    }
  }
}

function restless(id: string): TsnetError {
  return new TsnetError(
    'unavailable',
    'container-not-frozen',
    `container ${id} did not stand still within ${freezeDeadline / 1000} s: a program of it waits for a device or a server`,
  )
}

/** They go on. Safe to repeat. */
export function thaw(parts: Parts, ids: readonly string[]): void {
  for (const id of ids) unlessEnded(() => setCgroupFrozen(parts.mark, id, false))
}

function unlessEnded(change: () => void): void {
  try {
    change()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'ENODEV') throw error
  }
}
