/** Gives an empty volume what the image has at its target. */
import { readdirSync } from 'node:fs'
import { copyUp } from './copy-up.ts'
import { type OpenSource, tell } from './sources.ts'
import { markCopy } from './steps.ts'
import { findTarget } from './targets.ts'

export function fillVolume({ tree, directory }: OpenSource, index: number, target: string): void {
  tell(markCopy, index)
  const volume = `/proc/self/fd/${tree.number}`
  if (!directory || readdirSync(volume).length > 0) return
  using image = findTarget(target)
  if (image === null) return
  copyUp(`/proc/self/fd/${image.number}`, volume)
}
