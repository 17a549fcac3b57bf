/** The mode of a mount as `-v` writes it: words between commas, of each group one. */
import { formatIdmap, parseIdmap } from './idmap.ts'
import { parseOwner } from './owner.ts'

export const propagations = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'] as const
export type Propagation = '' | (typeof propagations)[number]

export interface MountMode {
  readonly readOnly: boolean
  readonly propagation: Propagation
  readonly noCopy: boolean
  /** canonical */
  readonly idmap: string
  /** `uid:gid` */
  readonly own: string
}

/** A word that ends in `=` stands for all that begin with it. SELinux's and consistency's change nothing here. */
const groups: readonly (readonly string[])[] = [
  ['rw', 'ro'],
  ['z', 'Z'],
  propagations,
  ['nocopy'],
  ['consistent', 'cached', 'delegated'],
  ['idmap='],
  ['own='],
]

/** undefined when it is no mode. Throws kind 'invalid' for a mapping or an owner that is none. */
export function parseMountMode(text: string): MountMode | undefined {
  const words = text === '' ? [] : text.split(',')
  if (!areWordsOfGroups(words)) return undefined
  const idmap = valueAfter(words, 'idmap=')
  const own = valueAfter(words, 'own=')
  if (own !== undefined) parseOwner(own)
  return {
    readOnly: words.includes('ro'),
    propagation: propagations.find((word) => words.includes(word)) ?? '',
    noCopy: words.includes('nocopy'),
    idmap: idmap === undefined ? '' : formatIdmap(parseIdmap(idmap)),
    own: own ?? '',
  }
}

/** Whether the words may stand in a mode, whatever the values of those that have one. */
export function isMountMode(text: string): boolean {
  return areWordsOfGroups(text === '' ? [] : text.split(','))
}

function areWordsOfGroups(words: readonly string[]): boolean {
  const found = words.map((word) => groups.findIndex((group) => group.some((one) => isWord(word, one))))
  return !found.includes(-1) && new Set(found).size === found.length
}

function isWord(word: string, one: string): boolean {
  return one.endsWith('=') ? word.startsWith(one) : word === one
}

function valueAfter(words: readonly string[], key: string): string | undefined {
  return words.find((word) => word.startsWith(key))?.slice(key.length)
}
