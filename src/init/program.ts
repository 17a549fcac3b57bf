import { accessSync, constants, type Stats, statSync } from 'node:fs'
import { StartError } from './start-error.ts'
import { exitNotExecutable, exitNotFound } from './steps.ts'

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** What a shell would run for `name`, found in the container by the program's own PATH. Throws StartError with 126 or 127. */
export function findProgram(name: string, env: readonly string[]): string {
  if (name.includes('/')) return checkProgram(name)
  const path = env.findLast((entry) => entry.startsWith('PATH='))?.slice(5) ?? defaultPath
  for (const directory of path.split(':')) {
    const candidate = `${directory === '' ? '.' : directory}/${name}`
    if (isExecutable(candidate)) return candidate
  }
  throw new StartError(`exec: "${name}": executable file not found in $PATH`, exitNotFound)
}

/** undefined when there is none. */
function statProgram(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch {
    // Without the right to look one may not execute either.
    throw new StartError(`exec: "${path}": permission denied`, exitNotExecutable)
  }
}

function checkProgram(path: string): string {
  const stats = statProgram(path)
  if (stats === undefined)
    throw new StartError(`exec: "${path}": stat ${path}: no such file or directory`, exitNotFound)
  if (stats.isDirectory())
    throw new StartError(`exec: "${path}": is a directory: permission denied`, exitNotExecutable)
  if (!isExecutable(path)) throw new StartError(`exec: "${path}": permission denied`, exitNotExecutable)
  return path
}
