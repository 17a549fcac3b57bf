/** What every way of asking for a mount has in common. */
import { TsnetError } from '../../errors.ts'
import { cleanPath } from '../../values/path.ts'

export function invalid(message: string): TsnetError {
  return new TsnetError('invalid', 'bad-mount', message)
}

/** Docker's sentence for what is wrong with one mount. */
export function badConfig(type: string, problem: string): TsnetError {
  return invalid(`invalid mount config for type "${type}": ${problem}`)
}

/** Throws unless it is an absolute path other than the root. */
export function checkTarget(type: string, target: string): void {
  if (target === '') throw badConfig(type, 'field Target must not be empty')
  const problem = targetProblem(target)
  if (problem !== null) throw badConfig(type, problem)
}

/** What is wrong with a path in the container; null when nothing is. */
export function targetProblem(target: string): string | null {
  if (cleanPath(target) === '/') return "invalid specification: destination can't be '/'"
  return absoluteProblem(target)
}

export function absoluteProblem(path: string): string | null {
  if (!path.startsWith('/')) return `invalid mount path: '${path}' mount path must be absolute`
  return path.includes('\0') ? 'invalid mount path: it must not contain a zero byte' : null
}

/** What is wrong with a path inside a volume or an image, which must not lead out of it. */
export function subpathProblem(subpath: string): string | null {
  const clean = cleanPath(subpath)
  const isLocal =
    !clean.startsWith('/') && clean !== '..' && !clean.startsWith('../') && !clean.includes('\0')
  return isLocal ? null : 'subpath must be a relative path within the volume'
}
