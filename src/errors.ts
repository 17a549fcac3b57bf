/** What an error means to the caller. Only the API's edge turns a kind into an HTTP status. */
export type ErrorKind =
  | 'invalid' // the request cannot be right as given
  | 'not-found'
  | 'conflict' // right in itself, but not in the present state
  | 'unchanged' // already in the wanted state
  | 'forbidden'
  | 'unauthorized'
  | 'unavailable' // something needed is missing or does not answer now
  | 'unsupported' // this kernel or machine cannot do it
  | 'internal'

/**
 * The one error class of the project. `code` is stable and documented in docs/errors.md; `message` says what was
 * given, what is wrong and what would be right: subject first, lower case, no full stop.
 */
export class TsnetError extends Error {
  readonly kind: ErrorKind
  readonly code: string

  constructor(kind: ErrorKind, code: string, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'TsnetError'
    this.kind = kind
    this.code = code
  }
}

/** The kind of any thrown value; what is not ours is internal. Of a failure that could not be undone it is the failure's. */
export function errorKind(error: unknown): ErrorKind {
  if (error instanceof SuppressedError) return errorKind(error.suppressed)
  return error instanceof TsnetError ? error.kind : 'internal'
}

/** The message of any thrown value, with an AggregateError's parts joined, and with what failed in undoing after a failure. */
export function errorMessage(error: unknown): string {
  if (error instanceof SuppressedError) {
    return `${errorMessage(error.suppressed)} (undoing it failed: ${errorMessage(error.error)})`
  }
  if (error instanceof AggregateError && error.errors.length > 0) {
    return error.errors.map(errorMessage).join('; ')
  }
  return error instanceof Error ? error.message : String(error)
}
