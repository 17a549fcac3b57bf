import { MS_SHARED } from '../sys/constants/mount.ts'
import type { Fd } from '../sys/fd.ts'
import { mountOf } from '../sys/mountinfo.ts'
import { StartError } from './start-error.ts'
import type { MountSource } from './steps.ts'

/** Nothing can propagate from a private mount: what was asked for would never happen. Throws StartError with Docker's sentence. */
export function refusePrivate({ path, propagation }: MountSource, place: Fd): void {
  const mount = mountOf(place)
  const shared = propagation.flag === MS_SHARED
  const wanted = shared ? ['shared:'] : ['shared:', 'master:']
  if (mount === undefined || mount.tags.some((tag) => wanted.some((start) => tag.startsWith(start)))) return
  const kind = shared ? 'a shared' : 'a shared or slave'
  throw new StartError(`path ${path} is mounted on ${mount.target} but it is not ${kind} mount`)
}
