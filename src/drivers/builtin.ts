import { createBridgeDriver } from './bridge/index.ts'
import type { NetworkDriver } from './driver.ts'
import { createHostDriver } from './host/index.ts'

/** The drivers that tsnet brings along. */
export function builtinDrivers(): readonly NetworkDriver[] {
  return [createBridgeDriver(), createHostDriver('host'), createHostDriver('null')]
}
