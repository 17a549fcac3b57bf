/** From a file to a checked definition. */
import { pathToFileURL } from 'node:url'
import { errorMessage, TsnetError } from '../errors.ts'
import type { DriverDefinition } from './api/driver.ts'
import { longestTimeout } from './call.ts'
import { entryModule, nameOfFile, refuseWritable } from './files.ts'
import { provideModules, versionedUrl } from './hooks.ts'

export interface LoadedDriver {
  readonly name: string
  readonly definition: DriverDefinition
}

/** Milliseconds for a module's own `await`s. */
const patience = 10_000

let version = 0

/**
 * Loads a file or package as it is now. Throws, with the path in front, what is wrong with it; with `trusted` it may also be
 * written by others than root.
 */
export async function loadDriver(path: string, trusted = false): Promise<LoadedDriver> {
  provideModules()
  try {
    const module = entryModule(path)
    if (!trusted) for (const one of [path, module]) refuseWritable(one)
    const url = versionedUrl(pathToFileURL(module).href, ++version)
    const exported = (await inTime(import(/* @vite-ignore */ url))) as { readonly default?: unknown }
    const definition = checkDefinition(exported.default)
    return { name: checkName(definition.name ?? nameOfFile(path)), definition }
  } catch (error) {
    const kind = error instanceof TsnetError ? error.kind : 'invalid'
    const message = errorMessage(error)
    throw new TsnetError(kind, 'driver-load', message.includes(path) ? message : `${path}: ${message}`, {
      cause: error,
    })
  }
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

/** The verbs without which a part is none. */
const required = {
  network: ['attach'],
  ipam: ['requestPool', 'releasePool', 'lease', 'release'],
  volume: ['create', 'remove'],
} as const

export const driverKinds = ['network', 'ipam', 'volume'] as const

function checkDefinition(value: unknown): DriverDefinition {
  if (typeof value !== 'object' || value === null) {
    throw bad('it has no default export: write export default defineDriver({ … })')
  }
  const definition = value as DriverDefinition
  if (definition.apiVersion !== 1) {
    throw bad(`apiVersion ${JSON.stringify(definition.apiVersion)} is not known: this tsnet has version 1`)
  }
  const { timeout } = definition
  if (timeout !== undefined && !(Number.isFinite(timeout) && timeout > 0 && timeout <= longestTimeout)) {
    throw bad(`timeout ${timeout} must be milliseconds, up to ${longestTimeout}`)
  }
  const kinds = driverKinds.filter((kind) => definition[kind] !== undefined)
  if (kinds.length === 0) throw bad('it defines no driver: give network, ipam or volume')
  for (const kind of kinds) checkPart(kind, Object(definition[kind]))
  return definition
}

function checkPart(kind: (typeof driverKinds)[number], part: Readonly<Record<string, unknown>>): void {
  const missing = required[kind].find((verb) => typeof part[verb] !== 'function')
  if (missing !== undefined) throw bad(`${kind} has no function ${missing}`)
}

/** As in Docker's plugins, less what has a meaning in paths and URLs. */
function checkName(name: string): string {
  if (/^[a-z0-9][a-z0-9.-]{0,62}$/.test(name)) return name
  throw bad(`name "${name}" must be lower-case letters, digits, - and ., e.g. "my-driver"`)
}

function bad(message: string): TsnetError {
  return new TsnetError('invalid', 'driver-definition', message)
}
