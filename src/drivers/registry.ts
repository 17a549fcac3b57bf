/** Network drivers by name. */
import { TsnetError } from '../errors.ts'
import type { NetworkDriver } from './driver.ts'

export interface DriverRegistry {
  /** Throws kind 'not-found' with Docker's sentence, and which drivers there are. */
  get(name: string): NetworkDriver
  list(): readonly NetworkDriver[]
}

export function createDriverRegistry(drivers: readonly NetworkDriver[]): DriverRegistry {
  const byName = new Map(drivers.map((driver) => [driver.name, driver]))
  return {
    get(name) {
      const driver = byName.get(name)
      if (driver !== undefined) return driver
      const known = [...byName.keys()].join(', ')
      throw new TsnetError(
        'not-found',
        'no-driver',
        `could not find plugin ${name} in v1 plugin registry: plugin not found (there are the drivers ${known})`,
      )
    },
    list: () => [...byName.values()],
  }
}
