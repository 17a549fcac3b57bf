/** What every way of asking for a mount has in common. */
import { posix } from 'node:path'
import { TsnetError } from '../../errors.ts'
import type { MountRequest } from '../../store/records.ts'

export type Propagation = MountRequest['propagation']

export const propagations: readonly string[] = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave']

/** A mount before anything is said about it. */
export const noMount: MountRequest = {
  type: 'volume',
  source: '',
  target: '',
  readOnly: false,
  createSource: false,
  noCopy: false,
  propagation: '',
  options: '',
  driver: '',
  driverOptions: {},
  labels: {},
  syntax: 'mount',
}

export function invalid(message: string): TsnetError {
  return new TsnetError('invalid', 'bad-mount', message)
}

/** Docker's sentence for what is wrong with one mount. */
export function badConfig(type: string, problem: string): TsnetError {
  return invalid(`invalid mount config for type "${type}": ${problem}`)
}

/** A cleaned absolute path other than the root. */
export function cleanTarget(type: string, target: string): string {
  if (target === '') throw badConfig(type, 'field Target must not be empty')
  const path = cleanPath(target)
  if (path === '/') throw badConfig(type, "invalid specification: destination can't be '/'")
  return absolute(type, path, target)
}

/** Without dots and trailing slashes. */
export function cleanPath(path: string): string {
  const clean = posix.normalize(path)
  return clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean
}

/** Returns `path`; `given` is what it was cleaned from. */
export function absolute(type: string, path: string, given: string): string {
  if (path.startsWith('/')) return path
  throw badConfig(type, `invalid mount path: '${given}' mount path must be absolute`)
}
