/** Mounts in the syntax of `-v`: `[source:]target[:mode]`. */
import type { MountRequest } from '../../store/records.ts'
import {
  badConfig,
  cleanPath,
  cleanTarget,
  invalid,
  noMount,
  type Propagation,
  propagations,
} from './mount-rules.ts'

/** `[source:]target[:mode]` as `-v` sends it. Throws kind 'invalid' with Docker's texts. */
export function parseBind(text: string, volumeDriver: string): MountRequest {
  const parts = text.split(':')
  const [first = '', second, mode = ''] = parts
  // A path with a mode but without a source would be neither a bind nor a volume.
  const isModeInPlaceOfTarget = parts.length === 2 && parseMode(second!) !== undefined
  if (first === '' || parts.length > 3 || isModeInPlaceOfTarget)
    throw invalid(`invalid volume specification: '${text}'`)
  const options = parseMode(mode)
  if (options === undefined) throw invalid(`invalid mode: ${mode}`)
  const source = second === undefined ? '' : first
  try {
    return toBindMount(source, second ?? first, options, volumeDriver)
  } catch (error) {
    throw invalid(`invalid volume specification: '${text}': ${(error as Error).message}`)
  }
}

interface Mode {
  readonly readOnly: boolean
  readonly propagation: Propagation
  readonly copy: '' | 'nocopy' | 'copy'
}

/** Words of a mode that exclude each other. SELinux labels and consistency change nothing on the hosts served here. */
const modeGroups: readonly (readonly string[])[] = [
  ['rw', 'ro'],
  ['z', 'Z'],
  propagations,
  ['nocopy', 'copy'],
  ['consistent', 'cached', 'delegated'],
]

/** undefined when it is no mode. */
function parseMode(text: string): Mode | undefined {
  const words = text === '' ? [] : text.split(',')
  const groups = words.map((word) => modeGroups.findIndex((group) => group.includes(word)))
  if (groups.includes(-1) || new Set(groups).size !== groups.length) return undefined
  return {
    readOnly: words.includes('ro'),
    propagation: (words.find((word) => propagations.includes(word)) ?? '') as Propagation,
    copy: (words.find((word) => word === 'nocopy' || word === 'copy') ?? '') as Mode['copy'],
  }
}

function toBindMount(source: string, target: string, mode: Mode, volumeDriver: string): MountRequest {
  const type = source.startsWith('/') ? 'bind' : 'volume'
  const clean = cleanTarget(type, target)
  if (type === 'bind' && mode.copy !== '') throw badConfig(type, 'field VolumeOptions must not be specified')
  if (type === 'volume' && mode.propagation !== '')
    throw badConfig(type, 'field BindOptions must not be specified')
  return {
    ...noMount,
    type,
    source: type === 'bind' ? cleanPath(source) : source,
    target: clean,
    readOnly: mode.readOnly,
    createSource: type === 'bind',
    noCopy: mode.copy === 'nocopy',
    propagation: mode.propagation,
    driver: type === 'volume' ? volumeDriver : '',
    syntax: 'bind-string',
  }
}

/** The same mount in the same syntax. */
export function toBind({ source, target, readOnly, propagation, noCopy }: MountRequest): string {
  const words = [
    ...(readOnly ? ['ro'] : []),
    ...(propagation ? [propagation] : []),
    ...(noCopy ? ['nocopy'] : []),
  ]
  return [source, target, ...(words.length > 0 ? [words.join(',')] : [])].join(':')
}
