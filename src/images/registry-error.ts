/** A registry's refusals in Docker's words. */
import type { IncomingMessage } from 'node:http'
import { type ErrorKind, TsnetError } from '../errors.ts'
import { parseChallenges } from './challenge.ts'
import { familiarName, familiarReference, type Reference } from './reference.ts'
import { readBody } from './transport.ts'

/** As in the distribution API: `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}` */
interface Refusal {
  readonly code: string
  readonly message: string
}

const longestAnswer = 64 << 10

/** The error for an answer that is no success. Reads its body. */
export async function refusalOf(response: IncomingMessage, reference: Reference): Promise<TsnetError> {
  const status = response.statusCode ?? 0
  const body = await readBody(response, longestAnswer).catch(() => Buffer.alloc(0))
  const refusal = challengeRefusal(response) ?? bodyRefusal(body) ?? statusRefusal(status)
  if (refusal === null) {
    const said = `${status} ${response.statusMessage ?? ''}`.trim()
    return new TsnetError('unavailable', 'registry-answer', `received unexpected HTTP status: ${said}`)
  }
  return explainRefusal(refusal, reference)
}

/** RFC 6750, section 3: the challenge itself may say why a token was refused. */
function challengeRefusal(response: IncomingMessage): Refusal | null {
  for (const { scheme, parameters } of parseChallenges(response.headers['www-authenticate'] ?? '')) {
    const description = parameters['error_description']
    if (scheme !== 'bearer') continue
    if (parameters['error'] === 'insufficient_scope') {
      return { code: 'DENIED', message: description ?? 'requested access to the resource is denied' }
    }
    if (parameters['error'] === 'invalid_token') {
      return { code: 'UNAUTHORIZED', message: description ?? 'authentication required' }
    }
  }
  return null
}

function bodyRefusal(body: Buffer): Refusal | null {
  try {
    const parsed = JSON.parse(body.toString()) as {
      errors?: { code?: unknown; message?: unknown }[]
      details?: unknown
    } | null
    const first = parsed?.errors?.[0]
    if (typeof first?.code === 'string') return { code: first.code, message: String(first.message ?? '') }
    // Token servers answer with a bare sentence.
    if (typeof parsed?.details === 'string') return { code: 'UNAUTHORIZED', message: parsed.details }
  } catch {
    // A proxy's page, not a registry's answer.
  }
  return null
}

function statusRefusal(status: number): Refusal | null {
  if (status === 401) return { code: 'UNAUTHORIZED', message: 'authentication required' }
  if (status === 403) return { code: 'DENIED', message: 'requested access to the resource is denied' }
  if (status === 404) return { code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' }
  if (status === 429) return { code: 'TOOMANYREQUESTS', message: 'too many requests' }
  return null
}

function explainRefusal({ code, message }: Refusal, reference: Reference): TsnetError {
  const words = code.toLowerCase().replaceAll('_', ' ')
  const cause = message === '' ? words : `${words}: ${message}`
  const error = (kind: ErrorKind, text: string): TsnetError => new TsnetError(kind, 'registry-refusal', text)
  switch (code) {
    case 'DENIED':
      return error(
        'not-found',
        `pull access denied for ${familiarName(reference)}, repository does not exist or may require 'docker login': ${cause}`,
      )
    case 'MANIFEST_UNKNOWN':
      return error('not-found', `manifest for ${familiarReference(reference)} not found: ${cause}`)
    case 'NAME_UNKNOWN':
      return error('not-found', `repository ${familiarName(reference)} not found: ${cause}`)
    case 'UNAUTHORIZED':
      return error('unauthorized', cause)
    default:
      return error('unavailable', cause)
  }
}
