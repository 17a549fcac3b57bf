/** The X-Registry-Auth header: JSON in base64, of either alphabet. */
import type { RegistryAuth } from '../../engine/engine.ts'

interface AuthConfig {
  readonly username?: unknown
  readonly password?: unknown
  readonly auth?: unknown
  readonly identitytoken?: unknown
}

/** null without credentials. What cannot be read counts as none, as in Docker: a public image needs none. */
export function parseRegistryAuth(header: string | readonly string[] | undefined): RegistryAuth | null {
  if (typeof header !== 'string') return null
  const config = decode(header)
  const [user = '', ...password] = Buffer.from(textOf(config.auth), 'base64').toString().split(':')
  const auth = {
    username: textOf(config.username) || user,
    password: textOf(config.password) || password.join(':'),
    identityToken: textOf(config.identitytoken),
  }
  return auth.username === '' && auth.identityToken === '' ? null : auth
}

function decode(header: string): AuthConfig {
  try {
    return (JSON.parse(Buffer.from(header, 'base64').toString()) as AuthConfig | null) ?? {}
  } catch {
    return {}
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
