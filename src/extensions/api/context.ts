/** What comes with each call of a driver. */

/** Drivers answer at once or later. */
export type Awaitable<T> = T | Promise<T>

export type ReadonlyLabels = Readonly<Record<string, string>>

/** Lines in the daemon's log, with the driver's name. */
export interface DriverLog {
  debug(message: string): void
  info(message: string): void
  warn(message: string): void
  error(message: string): void
}

export interface DriverContext {
  readonly log: DriverLog
  /** Aborted when the call's time is over: nobody waits for its answer any more. Hand it to fetch, execFile and the like. */
  readonly signal: AbortSignal
}
