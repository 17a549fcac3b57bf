/** What went wrong, for the status that the caller gets. */
export type DriverErrorKind =
  | 'invalid'
  | 'not-found'
  | 'conflict'
  | 'unavailable'
  | 'unsupported'
  | 'internal'

/**
 * A refusal with a kind; users read `driver NAME: message`. Anything else that a driver throws counts as 'internal', and is
 * logged with its stack.
 */
export class DriverError extends Error {
  readonly kind: DriverErrorKind

  constructor(kind: DriverErrorKind, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'DriverError'
    this.kind = kind
  }
}
