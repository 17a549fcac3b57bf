/** Where operators' drivers lie: single files, and packages in folders of their own. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { TsnetError } from '../errors.ts'

const moduleEnding = /\.(?:ts|mts|js|mjs)$/
const noDriver = /^\.|\.d\.m?ts$|\.test\.m?[jt]s$/

/** The drivers in a folder, in the order of their names; none where there is no folder. Folders without an index or a package are others' business. */
export function driverFiles(directory: string): string[] {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { withFileTypes: true })
    .filter(({ name }) => !noDriver.test(name) && name !== 'node_modules')
    .map(({ name }) => join(directory, name))
    .filter((path) => moduleEnding.test(path) || entryOf(path) !== null)
    .sort()
}

/** The module to load for a path. Throws kind 'not-found' or 'invalid'. */
export function entryModule(path: string): string {
  const status = statSync(path, { throwIfNoEntry: false })
  if (status === undefined) throw bad('not-found', `${path} does not exist`)
  if (!status.isDirectory()) return resolve(path)
  const entry = entryOf(path)
  if (entry === null) throw bad('invalid', `${path} has neither a package.json with "main" nor an index.ts`)
  return entry
}

/** Drivers run with all rights of the daemon's: nobody else may have a hand in them. Throws kind 'forbidden'. */
export function refuseWritable(path: string): void {
  const { uid, mode } = statSync(path)
  if ((uid === 0 || uid === process.getuid?.()) && (mode & 0o022) === 0) return
  throw bad('forbidden', `${path} can be written by others than root: chown root and chmod go-w`)
}

/** The name that a driver has unless it says another one. */
export function nameOfFile(path: string): string {
  return basename(path).replace(moduleEnding, '').toLowerCase()
}

function entryOf(directory: string): string | null {
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return null
  const main = mainOf(join(directory, 'package.json'))
  const candidates = [...(main === '' ? [] : [main]), 'index.ts', 'index.mts', 'index.mjs', 'index.js']
  return candidates.map((name) => resolve(directory, name)).find((path) => existsSync(path)) ?? null
}

/** '' where there is no package, or none that says it. */
function mainOf(path: string): string {
  if (!existsSync(path)) return ''
  try {
    const { main } = JSON.parse(readFileSync(path, 'utf8')) as { main?: unknown }
    return typeof main === 'string' ? main : ''
  } catch {
    return ''
  }
}

function bad(kind: 'not-found' | 'invalid' | 'forbidden', what: string): TsnetError {
  return new TsnetError(kind, 'driver-file', what)
}
