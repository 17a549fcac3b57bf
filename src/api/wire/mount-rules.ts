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
  recursion: 'enabled',
  subpath: '',
  idmap: '',
  own: '',
  mode: '',
  consistency: '',
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
  const problem = targetProblem(target)
  if (problem !== null) throw badConfig(type, problem)
  return cleanPath(target)
}

/** What is wrong with a path in the container; null when nothing is. */
export function targetProblem(target: string): string | null {
  if (cleanPath(target) === '/') return "invalid specification: destination can't be '/'"
  return absoluteProblem(target)
}

export function absoluteProblem(path: string): string | null {
  return path.startsWith('/') ? null : `invalid mount path: '${path}' mount path must be absolute`
}

/** Without dots and trailing slashes. */
export function cleanPath(path: string): string {
  const clean = posix.normalize(path)
  return clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean
}
