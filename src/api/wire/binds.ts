/** Mounts in the syntax of `-v`: `[source:]target[:mode]`. */
import { noMount } from '../../engine/plan-mounts.ts'
import type { MountRequest } from '../../store/records.ts'
import { isMountMode, type MountMode, parseMountMode } from '../../values/mount-mode.ts'
import { badConfig, checkTarget, invalid } from './mount-rules.ts'

/** `[source:]target[:mode]` as `-v` sends it. Throws kind 'invalid' with Docker's texts. */
export function parseBind(text: string): MountRequest {
  const [first = '', second, ...rest] = text.split(':')
  // Only tsnet's own words have colons in them.
  const mode = rest.join(':')
  const isTooLong = rest.length > 1 && !isMountMode(mode)
  // A path with a mode but without a source would be neither a bind nor a volume.
  const isModeInPlaceOfTarget = rest.length === 0 && second !== undefined && isMountMode(second)
  if (first === '' || isTooLong || isModeInPlaceOfTarget)
    throw invalid(`invalid volume specification: '${text}'`)
  const options = parseMountMode(mode)
  if (options === undefined) throw invalid(`invalid mode: ${mode}`)
  const source = second === undefined ? '' : first
  try {
    return toBindMount(source, second ?? first, mode, options)
  } catch (error) {
    throw invalid(`invalid volume specification: '${text}': ${(error as Error).message}`)
  }
}

function toBindMount(source: string, target: string, text: string, mode: MountMode): MountRequest {
  const type = source.startsWith('/') ? 'bind' : 'volume'
  if (type === 'bind' && mode.noCopy) throw badConfig(type, 'field VolumeOptions must not be specified')
  if (type === 'volume' && mode.propagation !== '')
    throw badConfig(type, 'field BindOptions must not be specified')
  checkTarget(type, target)
  const createSource = type === 'bind'
  return { ...noMount, ...mode, type, source, target, createSource, mode: text, syntax: 'bind-string' }
}

/** The same mount in the same syntax. */
export function toBind({ source, target, mode }: MountRequest): string {
  return [source, target, mode].filter((part) => part !== '').join(':')
}
