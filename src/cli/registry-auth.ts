/** Credentials that `docker login` has written to its configuration file. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { TsnetError } from '../errors.ts'

interface Entry {
  readonly auth?: string
  readonly identitytoken?: string
}

/** The header for the registry of an image's name; empty when nothing is known about it. */
export function registryAuth(
  image: string,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const first = image.split('/', 1)[0]!
  const isRegistry = image.includes('/') && (/[.:]/.test(first) || first === 'localhost')
  const server = isRegistry ? first : 'https://index.docker.io/v1/'
  const entry = readEntries(join(environment['DOCKER_CONFIG'] || join(homedir(), '.docker'), 'config.json'))[
    server
  ]
  if (!entry?.auth) return {}
  const decoded = Buffer.from(entry.auth, 'base64').toString()
  const colon = decoded.indexOf(':')
  const credentials = {
    username: decoded.slice(0, colon),
    password: decoded.slice(colon + 1),
    identitytoken: entry.identitytoken ?? '',
    serveraddress: server,
  }
  return { 'X-Registry-Auth': Buffer.from(JSON.stringify(credentials)).toString('base64url') }
}

function readEntries(file: string): Readonly<Record<string, Entry>> {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { auths?: Record<string, Entry> }).auths ?? {}
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new TsnetError('invalid', 'registry-auth', `${file} cannot be read: ${(error as Error).message}`)
  }
}
