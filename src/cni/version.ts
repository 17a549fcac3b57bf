/** Versions of the CNI specification: which are spoken here, and what came with which. Pure. */
import { TsnetError } from '../errors.ts'

/** Oldest first. */
export const knownVersions = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const
export type CniVersion = (typeof knownVersions)[number]

export function isKnownVersion(text: string): text is CniVersion {
  return knownVersions.some((known) => known === text)
}

/** Whether a version has what came with `since`: CHECK with 0.4.0, GC and STATUS with 1.1.0. */
export function hasSince(version: CniVersion, since: CniVersion): boolean {
  return knownVersions.indexOf(version) >= knownVersions.indexOf(since)
}

/** Those of `wanted` that are spoken here, newest first. Throws kind 'unsupported' when there is none. */
export function speakable(what: string, wanted: readonly string[]): CniVersion[] {
  const spoken = knownVersions.filter((known) => wanted.includes(known)).reverse()
  if (spoken.length > 0) return spoken
  throw new TsnetError(
    'unsupported',
    'cni-version',
    `${what}: version ${wanted.join(', ') || 'none'} of CNI is not spoken here: give one of ${knownVersions.join(', ')}`,
  )
}
