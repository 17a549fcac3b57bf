/** The versions of the Docker Engine API spoken here, and how a request chooses one. All are 1.x: a number is x. */
import type { IncomingMessage } from 'node:http'
import { TsnetError } from '../errors.ts'

export const minimumVersion = 24
export const newestVersion = 50

export function formatVersion(version: number): string {
  return `1.${version}`
}

/** A request as it came in, with the version taken off its path; no version means the newest. */
export type VersionedMessage = IncomingMessage & { dockerVersion?: string }

const prefix = /^\/v([0-9.]+)(?=\/)/

/** The path without `/v1.43`; the version is kept on the message. */
export function stripVersion(message: VersionedMessage): string {
  const url = message.url ?? '/'
  const match = prefix.exec(url)
  if (match === null) return url
  message.dockerVersion = match[1]!
  return url.slice(match[0].length)
}

/** The x of the 1.x that the request asks for. Throws kind 'invalid' with Docker's texts when it is not spoken here. */
export function requestedVersion(message: VersionedMessage): number {
  const asked = message.dockerVersion
  if (asked === undefined) return newestVersion
  const [major = 0, minor = 0] = asked.split('.').map(Number)
  if (major < 1 || (major === 1 && minor < minimumVersion)) {
    throw new TsnetError(
      'invalid',
      'api-too-old',
      `client version ${asked} is too old. Minimum supported API version is ${formatVersion(minimumVersion)}, please upgrade your client to a newer version`,
    )
  }
  if (major > 1 || minor > newestVersion) {
    throw new TsnetError(
      'invalid',
      'api-too-new',
      `client version ${asked} is too new. Maximum supported API version is ${formatVersion(newestVersion)}`,
    )
  }
  return minor
}
