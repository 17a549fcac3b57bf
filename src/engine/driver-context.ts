import type { DriverContext } from '../drivers/driver.ts'
import type { Parts } from './parts.ts'

/** Longest that a driver may take for one call. */
const driverDeadline = 20_000

export function driverContext({ mark, log }: Pick<Parts, 'mark' | 'log'>): DriverContext {
  return { mark, log, signal: AbortSignal.timeout(driverDeadline) }
}
