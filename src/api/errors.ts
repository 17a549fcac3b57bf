/** The one place where an error becomes an HTTP status and Docker's `{"message": …}`. */
import { type ErrorKind, errorKind, errorMessage } from '../errors.ts'

export const statusOfKind: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  'not-found': 404,
  conflict: 409,
  unchanged: 304,
  forbidden: 403,
  unauthorized: 401,
  unavailable: 503,
  unsupported: 501,
  internal: 500,
}

export interface ErrorAnswer {
  readonly status: number
  readonly message: string
}

/** What a client is told of any thrown value. */
export function answerTo(error: unknown): ErrorAnswer {
  return fastifyAnswer(error) ?? { status: statusOfKind[errorKind(error)], message: errorMessage(error) }
}

interface FastifyError extends Error {
  readonly code?: string
  readonly statusCode?: number
}

/** Fastify's own refusals of a body, in Docker's words; undefined for every other error. */
function fastifyAnswer(error: unknown): ErrorAnswer | undefined {
  if (!(error instanceof Error)) return undefined
  const { code, statusCode, message } = error as FastifyError
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return { status: 400, message: "unsupported Content-Type header: must be 'application/json'" }
  }
  if (code === 'FST_ERR_CTP_INVALID_JSON_BODY' || error instanceof SyntaxError) {
    return { status: 400, message: `invalid JSON: ${message}` }
  }
  const isOurs = code?.startsWith('FST_') === true && statusCode !== undefined && statusCode < 500
  return isOurs ? { status: statusCode, message } : undefined
}
