/** From a module to a checked definition. */
import { TsnetError } from '../errors.ts'
import type { DriverDefinition } from './api/driver.ts'
import { longestTimeout } from './call.ts'

/** The verbs without which a part is none. */
const required = {
  network: ['attach'],
  ipam: ['requestPool', 'releasePool', 'lease', 'release'],
  volume: ['create', 'remove'],
} as const

export const driverKinds = ['network', 'ipam', 'volume'] as const

/** Loads a module of an operator's in this thread. Throws what it throws, and kind 'invalid' for what is no driver. */
export async function importDefinition(url: string): Promise<DriverDefinition> {
  const exported = (await import(/* @vite-ignore */ url)) as { readonly default?: unknown }
  return checkDefinition(exported.default)
}

function checkDefinition(value: unknown): DriverDefinition {
  if (value === undefined) throw bad('it has no default export: write export default defineDriver({ … })')
  if (typeof value !== 'object' || value === null) {
    throw bad('its default export is no driver: write export default defineDriver({ … })')
  }
  const definition = value as DriverDefinition
  // Node takes a file without an export for one in the old format, with an empty object.
  if (definition.apiVersion === undefined) {
    throw bad('its default export has no apiVersion: write export default defineDriver({ apiVersion: 1, … })')
  }
  if (definition.apiVersion !== 1) {
    throw bad(`apiVersion ${JSON.stringify(definition.apiVersion)} is not known: this tsnet has version 1`)
  }
  checkSettings(definition)
  const kinds = driverKinds.filter((kind) => definition[kind] !== undefined)
  if (kinds.length === 0) throw bad('it defines no driver: give network, ipam or volume')
  for (const kind of kinds) checkPart(kind, Object(definition[kind]))
  return definition
}

function checkSettings({ timeout, isolation }: DriverDefinition): void {
  if (timeout !== undefined && !(Number.isFinite(timeout) && timeout > 0 && timeout <= longestTimeout)) {
    throw bad(`timeout ${timeout} must be milliseconds, up to ${longestTimeout}`)
  }
  if (isolation !== undefined && isolation !== 'worker') {
    throw bad(`isolation ${JSON.stringify(isolation)} must be 'worker', or left out`)
  }
}

function checkPart(kind: (typeof driverKinds)[number], part: Readonly<Record<string, unknown>>): void {
  const missing = required[kind].find((verb) => typeof part[verb] !== 'function')
  if (missing !== undefined) throw bad(`${kind} has no function ${missing}`)
}

/** As in Docker's plugins, less what has a meaning in paths and URLs. */
export function checkName(name: string): string {
  if (/^[a-z0-9][a-z0-9.-]{0,62}$/.test(name)) return name
  throw bad(`name "${name}" must be lower-case letters, digits, - and ., e.g. "my-driver"`)
}

export function bad(message: string): TsnetError {
  return new TsnetError('invalid', 'driver-definition', message)
}
