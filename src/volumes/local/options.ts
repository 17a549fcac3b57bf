/** The local driver's options: Docker's type, o, device and size, and `own`. Pure. */
import { TsnetError } from '../../errors.ts'
import type { Labels } from '../../store/records.ts'
import type { Limit } from './project-quota.ts'

/** Where a volume's data is. */
export type Place =
  | { readonly kind: 'directory' }
  | ({ readonly kind: 'mount' } & MountedSource)
  | { readonly kind: 'limited'; readonly limit: Limit }

/** What mount(8) would be given; `options` are separated by commas. */
export interface MountedSource {
  readonly type: string
  readonly device: string
  readonly options: string
  /** Milliseconds that a server has to let itself be mounted. */
  readonly deadline: number
}

export interface Owner {
  readonly uid: number
  readonly gid: number
}

export interface LocalOptions {
  readonly place: Place
  /** Of the data's root as it is made; null for root. */
  readonly own: Owner | null
}

const usualDeadline = 30_000
const longestTimeout = 3600

const known = new Set(['type', 'o', 'device', 'size', 'inodes', 'own'])

const required: readonly (readonly [option: string, needs: string])[] = [
  ['device', 'type'],
  ['type', 'device'],
  ['o', 'device'],
  ['o', 'type'],
  ['inodes', 'size'],
]

/** Throws kind 'invalid' that names the option. */
export function parseLocalOptions(options: Labels): LocalOptions {
  for (const option of Object.keys(options)) {
    if (!known.has(option)) throw invalid(`invalid option: "${option}"`)
  }
  for (const [option, needs] of required) {
    if (option in options && !(needs in options)) throw invalid(`missing required option: "${needs}"`)
  }
  return { place: placeOf(options), own: ownerOf(options) }
}

function placeOf({ type = '', device = '', o = '', size, inodes = '0' }: Labels): Place {
  const isMounted = type !== '' || device !== ''
  if (isMounted && device === '') throw invalid('missing device in volume options')
  if (isMounted && size !== undefined) {
    throw invalid(
      'conflicting options: "size" and "device": what is mounted has its own size; a tmpfs takes it in "o", as size=64m',
    )
  }
  if (isMounted) return { kind: 'mount', type, device, ...takeTimeout(o) }
  const bytes = parseSize(size ?? '0')
  // as in Docker, 0 is no limit
  return bytes === 0
    ? { kind: 'directory' }
    : { kind: 'limited', limit: { bytes, inodes: parseInodes(inodes) } }
}

/** `timeout=` in seconds, as podman has it, is for the driver; the kernel gets the other options. */
function takeTimeout(o: string): Pick<MountedSource, 'options' | 'deadline'> {
  const isTimeout = (option: string): boolean => option.startsWith('timeout=')
  const given = o.split(',')
  const options = given.filter((option) => !isTimeout(option)).join(',')
  const timeout = given.findLast(isTimeout)?.slice('timeout='.length)
  if (timeout === undefined) return { options, deadline: usualDeadline }
  const seconds = /^\d+$/.test(timeout) ? Number(timeout) : 0
  if (seconds >= 1 && seconds <= longestTimeout) return { options, deadline: seconds * 1000 }
  throw invalid(`invalid timeout: "${timeout}": give seconds, from 1 to ${longestTimeout}`)
}

/** What a file system with a journal can be made in, as a sparse file. Bytes. */
const leastSize = 4 * 1024 * 1024
/** ext4 counts inodes in 32 bits. */
const mostInodes = 2 ** 32 - 256

const units: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4, p: 5 }

/** Docker's sizes: a number with an optional unit of 1024, as `64m`, `1.5GiB`. Bytes. */
function parseSize(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(text) ?? []
  const bytes = Math.floor(Number(number) * 1024 ** (units[unit.toLowerCase()] ?? 0))
  if (!Number.isSafeInteger(bytes)) {
    throw invalid(`invalid size: '${text}': give bytes, or a number with a unit, as 64m or 1g`)
  }
  if (bytes === 0 || bytes >= leastSize) return bytes
  throw invalid(`invalid size: '${text}': a volume can be limited to 4m at the least`)
}

/** Files and directories together. */
function parseInodes(text: string): number {
  const inodes = Number(text)
  if (/^\d+$/.test(text) && inodes <= mostInodes) return inodes
  throw invalid(`invalid inodes: '${text}': give a number up to ${mostInodes}`)
}

const highestId = 2 ** 32 - 2

function ownerOf({ own, device }: Labels): Owner | null {
  if (own === undefined) return null
  if (device !== undefined && device !== '')
    throw invalid('conflicting options: "own" and "device": what is mounted has its owners already')
  const [, uid, gid] = /^(\d+):(\d+)$/.exec(own) ?? []
  const owner = { uid: Number(uid), gid: Number(gid) }
  if (owner.uid <= highestId && owner.gid <= highestId) return owner
  throw invalid(`invalid own: "${own}": give a user's and a group's number, as 1000:1000`)
}

function invalid(message: string): TsnetError {
  return new TsnetError('invalid', 'volume-option', message)
}
