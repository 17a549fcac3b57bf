/** Names of containers, networks and volumes: Docker's grammar, Docker's words when one is refused. */
import { TsnetError } from '../errors.ts'
import { adjectives, surnames } from './words.ts'

const characters = '[a-zA-Z0-9][a-zA-Z0-9_.-]'
const oneOrMore = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/
const twoOrMore = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/

function invalid(message: string): TsnetError {
  return new TsnetError('invalid', 'bad-name', message)
}

/** Returns the name without the leading slash that clients may send. Throws kind 'invalid'. */
export function checkContainerName(name: string): string {
  const bare = name.startsWith('/') ? name.slice(1) : name
  if (!twoOrMore.test(bare)) {
    throw invalid(`Invalid container name (${name}), only ${characters} are allowed`)
  }
  return bare
}

/**
 * Network names may be one character long. Docker lets nearly anything pass here; these names are parts of domain
 * names and of URLs, so the grammar is the containers'.
 */
export function checkNetworkName(name: string): string {
  if (name.trim() === '') throw invalid('invalid name: name is empty')
  if (!oneOrMore.test(name)) {
    throw invalid(
      `"${name}" includes invalid characters for a network name, only "${characters}" are allowed`,
    )
  }
  return name
}

export function isVolumeName(name: string): boolean {
  return twoOrMore.test(name)
}

export function checkVolumeName(name: string): string {
  if (Buffer.byteLength(name) === 1) {
    throw invalid('volume name is too short, names should be at least two alphanumeric characters')
  }
  if (!isVolumeName(name)) {
    throw invalid(
      `"${name}" includes invalid characters for a local volume name, only "${characters}" are allowed. ` +
        'If you intended to pass a host directory, use absolute path',
    )
  }
  // NAME_MAX of limits.h: it is a directory.
  if (name.length > 255)
    throw invalid(`volume name is too long: ${name.length} characters, at most 255 are allowed`)
  return name
}

export function checkSnapshotName(name: string): string {
  if (!oneOrMore.test(name)) {
    throw invalid(
      `"${name}" includes invalid characters for a snapshot name, only "${characters}" are allowed`,
    )
  }
  return name
}

/** A name such as `brisk_noether` for a container that was given none; `attempt` > 0 adds a digit, as Docker does. */
export function randomName(attempt = 0): string {
  const name = `${pick(adjectives)}_${pick(surnames)}`
  return attempt > 0 ? `${name}${Math.floor(Math.random() * 10)}` : name
}

function pick(words: readonly string[]): string {
  return words[Math.floor(Math.random() * words.length)]!
}
