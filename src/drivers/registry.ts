/** Drivers by name, wherever they come from: tsnet's own, operators' files, plugins of other programs. */
import { TsnetError } from '../errors.ts'

/** One place where drivers of a kind come from. */
export interface DriverSource<T> {
  /** Quick and synchronous: what has to be asked over a socket is asked by the driver's own calls. */
  find(name: string): T | undefined
  /** Those that are known without a question to anybody; `find` may know more. */
  list(): readonly T[]
}

export type DriverKind = 'network' | 'ipam' | 'volume'

export function sourceOf<T extends { readonly name: string }>(drivers: readonly T[]): DriverSource<T> {
  const byName = new Map(drivers.map((driver) => [driver.name, driver]))
  return { find: (name) => byName.get(name), list: () => [...byName.values()] }
}

/** Of drivers with one name that of the earlier source counts: nobody takes the place of a built-in one. */
export function joinSources<T extends { readonly name: string }>(
  ...sources: readonly DriverSource<T>[]
): DriverSource<T> {
  return {
    find(name) {
      for (const source of sources) {
        const found = source.find(name)
        if (found !== undefined) return found
      }
      return undefined
    },
    list() {
      const byName = new Map<string, T>()
      for (const driver of sources.flatMap((source) => source.list())) {
        if (!byName.has(driver.name)) byName.set(driver.name, driver)
      }
      return [...byName.values()]
    },
  }
}

/** Throws kind 'not-found' with Docker's sentence for the kind, and which drivers there are. */
export function lookUpDriver<T extends { readonly name: string }>(
  kind: DriverKind,
  source: DriverSource<T>,
  name: string,
): T {
  const found = source.find(name)
  if (found !== undefined) return found
  const known = source
    .list()
    .map((driver) => driver.name)
    .join(', ')
  throw kind === 'network'
    ? new TsnetError(
        'not-found',
        'no-driver',
        `could not find plugin ${name} in v1 plugin registry: plugin not found (there are the drivers ${known})`,
      )
    : new TsnetError(
        'not-found',
        `no-${kind}-driver`,
        `error looking up ${kind} plugin ${name}: plugin "${name}" not found (there are ${known})`,
      )
}
