/**
 * From a registry's challenge to the Authorization header that answers it.
 *
 *   GET /v2/                      ──▶ registry
 *   401 Bearer realm, service     ◀──
 *   GET realm?service&scope       ──▶ token server   (Basic credentials, if there are any)
 *   {"token": …}                  ◀──
 *   GET … Authorization: Bearer   ──▶ registry
 */
import { TsnetError } from '../errors.ts'
import type { Challenge } from './challenge.ts'
import type { RegistryAuth } from './image.ts'
import type { Reference } from './reference.ts'
import { refusalOf } from './registry-error.ts'
import { type HttpRequest, readBody, send } from './transport.ts'

const longestToken = 1 << 20
const clientId = 'tsnet'

/** Throws kind 'unauthorized' when the credentials are missing or wrong. */
export async function authorize(
  challenges: readonly Challenge[],
  auth: RegistryAuth | null,
  reference: Reference,
  signal: AbortSignal,
): Promise<string> {
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
  if (bearer !== undefined) return `Bearer ${await fetchToken(bearer, auth, reference, signal)}`
  if (!challenges.some(({ scheme }) => scheme === 'basic')) {
    throw new TsnetError(
      'unsupported',
      'registry-auth',
      `${reference.domain} asks for neither Basic nor Bearer authentication`,
    )
  }
  if (!auth?.username) throw new TsnetError('unauthorized', 'registry-auth', 'no basic auth credentials')
  return basic(auth)
}

function basic({ username, password }: RegistryAuth): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

async function fetchToken(
  { parameters }: Challenge,
  auth: RegistryAuth | null,
  reference: Reference,
  signal: AbortSignal,
): Promise<string> {
  const { realm = '', service = '' } = parameters
  if (!/^https?:\/\//.test(realm) || !URL.canParse(realm)) {
    throw new TsnetError(
      'unavailable',
      'registry-auth',
      `${reference.domain} names no token server: realm "${realm}"`,
    )
  }
  const scope = `repository:${reference.path}:pull`
  const request = auth?.identityToken
    ? refreshRequest(realm, { service, scope, token: auth.identityToken }, signal)
    : tokenRequest(realm, { service, scope }, auth, signal)
  const response = await send(request)
  if (response.statusCode !== 200) throw await refusalOf(response, reference)
  return tokenOf(await readBody(response, longestToken), realm)
}

function tokenRequest(
  realm: string,
  query: { service: string; scope: string },
  auth: RegistryAuth | null,
  signal: AbortSignal,
): HttpRequest {
  const url = new URL(realm)
  if (query.service !== '') url.searchParams.set('service', query.service)
  url.searchParams.set('scope', query.scope)
  if (!auth?.username) return { method: 'GET', url, headers: {}, signal }
  url.searchParams.set('account', auth.username)
  return { method: 'GET', url, headers: { authorization: basic(auth) }, signal }
}

/** An identity token is an OAuth2 refresh token (RFC 6749, section 6). */
function refreshRequest(
  realm: string,
  query: { service: string; scope: string; token: string },
  signal: AbortSignal,
): HttpRequest {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    service: query.service,
    scope: query.scope,
    client_id: clientId,
    refresh_token: query.token,
  })
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  return { method: 'POST', url: new URL(realm), headers, body: form.toString(), signal }
}

function tokenOf(body: Buffer, realm: string): string {
  try {
    const answer = JSON.parse(body.toString()) as { token?: unknown; access_token?: unknown } | null
    const token = answer?.token ?? answer?.access_token
    if (typeof token === 'string' && token !== '') return token
  } catch {
    // Said below.
  }
  throw new TsnetError(
    'unavailable',
    'registry-auth',
    `token server ${realm} did not include a token in its answer`,
  )
}
