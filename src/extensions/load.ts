/** From a file to a driver: in the daemon's own thread, or in one of its own. */
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { errorMessage, TsnetError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { DriverDefinition } from './api/driver.ts'
import { bad, checkName, importDefinition } from './definition.ts'
import { entryModule, nameOfFile, refuseWritable } from './files.ts'
import { provideModules, versionedUrl } from './hooks.ts'
import { IsolatedDriver } from './isolation/isolated.ts'

export interface LoadedDriver {
  readonly name: string
  readonly definition: DriverDefinition
  /** Its thread, if it has one. */
  readonly isolated: IsolatedDriver | null
}

/** Milliseconds for a module's own `await`s. */
const patience = 10_000

let version = 0

/**
 * Loads a file or package as it is now. Throws, with the path in front, what is wrong with it; with `trusted` it may also be
 * written by others than root.
 */
export async function loadDriver(path: string, log: Logger, trusted = false): Promise<LoadedDriver> {
  try {
    const module = entryModule(path)
    if (!trusted) for (const one of [path, module]) refuseWritable(one)
    return (await loadIsolated(path, module, log)) ?? (await loadHere(path, module))
  } catch (error) {
    const kind = error instanceof TsnetError ? error.kind : 'invalid'
    const message = `${placeOf(error)}${errorMessage(error)}`
    throw new TsnetError(kind, 'driver-load', message.includes(path) ? message : `${path}: ${message}`, {
      cause: error,
    })
  }
}

/** Node tells the file and line of wrong syntax, which may be in another module, in the first line of the stack alone. */
function placeOf(error: unknown): string {
  if (!(error instanceof SyntaxError)) return ''
  const [, file, line] = /^(?:file:\/\/)?(\/[^\n?]+?)(?:\?[^\n:]*)?:(\d+)\n/.exec(error.stack ?? '') ?? []
  return file === undefined ? '' : `${file}:${line}: `
}

/** Whether a file wants a thread is known from its text: to run it here for the answer is what the thread is against. */
const wantsThread = /\bisolation\s*:\s*(['"])worker\1/

/** Null for a driver that wants none. */
async function loadIsolated(path: string, module: string, log: Logger): Promise<LoadedDriver | null> {
  if (!wantsThread.test(readFileSync(module, 'utf8'))) return null
  const isolated = new IsolatedDriver(pathToFileURL(module).href, log.child({ driver: nameOfFile(path) }))
  try {
    const definition = await isolated.load()
    // It stands in a comment.
    if (definition.isolation === undefined) {
      isolated.close()
      return null
    }
    return { name: nameOf(path, definition), definition, isolated }
  } catch (error) {
    isolated.close()
    throw error
  }
}

async function loadHere(path: string, module: string): Promise<LoadedDriver> {
  provideModules()
  const url = versionedUrl(pathToFileURL(module).href, ++version)
  const definition = await inTime(importDefinition(url))
  if (definition.isolation !== undefined) {
    throw bad(
      `isolation: 'worker' must stand in ${module} in these words: it is looked for before the file runs`,
    )
  }
  return { name: nameOf(path, definition), definition, isolated: null }
}

function nameOf(path: string, { name }: DriverDefinition): string {
  return checkName(name ?? nameOfFile(path))
}

async function inTime<T>(module: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => late.reject(bad(`it was not loaded within ${patience / 1000} seconds`)),
    patience,
  )
  try {
    return await Promise.race([module, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
