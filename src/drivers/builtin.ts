import { createBridgeDriver } from './bridge/index.ts'
import type { NetworkDriver } from './driver.ts'
import { createHostDriver } from './host/index.ts'
import { createMacvlanDrivers } from './macvlan/index.ts'

/** The drivers that tsnet brings along. */
export function builtinDrivers(): readonly NetworkDriver[] {
  return [createBridgeDriver(), ...createMacvlanDrivers(), createHostDriver('host'), createHostDriver('null')]
}
