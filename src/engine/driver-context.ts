import type { DriverContext } from '../drivers/driver.ts'
import type { Parts } from './parts.ts'

/** Longest that a driver may take for one call. */
const driverDeadline = 20_000

export function driverContext(parts: Parts): DriverContext {
  return { mark: parts.mark, log: parts.log, signal: AbortSignal.timeout(driverDeadline) }
}
