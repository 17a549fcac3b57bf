/** What etcd, gRPC, TLS and the kernel answer, in words. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ServiceError } from '@grpc/grpc-js'
import type { ClusterUrl } from './url.ts'

// grpc/status.h
const CANCELLED = 1
const UNKNOWN = 2
const DEADLINE_EXCEEDED = 4
const INTERNAL = 13
const UNAVAILABLE = 14
const ofServer: readonly (number | undefined)[] = [
  CANCELLED,
  UNKNOWN,
  DEADLINE_EXCEEDED,
  INTERNAL,
  UNAVAILABLE,
]

function details(error: unknown): string {
  return (error as ServiceError).details ?? (error as Error).message
}

/** Whether another server of the cluster may well answer. */
export function isServerFailure(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return typeof code !== 'number' || (ofServer.includes(code) && !isStaleToken(error))
}

/** Whether the server is there, and lacks only the others. */
export function isLeaderless(error: unknown): boolean {
  return /etcdserver: (no leader|leader changed|request timed out|server stopped)/.test(details(error))
}

/** A token ends after 5 min without use, and with its server; the one before a change of users is too old. */
export function isStaleToken(error: unknown): boolean {
  return /invalid auth token|revision of auth store is old/.test(details(error))
}

export function isAuthOff(error: unknown): boolean {
  return details(error).includes('authentication is not enabled')
}

export function isLeaseGone(error: unknown): boolean {
  return details(error).includes('requested lease not found')
}

export function isCompacted(error: unknown): boolean {
  return details(error).includes('revision has been compacted')
}

type Wording = readonly [RegExp, (url: ClusterUrl) => string]

/** Servers do not tell an expired certificate from any other bad one. */
function ownCertificate({ tls }: ClusterUrl): string {
  if (tls === null || tls.cert === '') return 'wants a certificate: add cert=FILE and key=FILE to --cluster'
  const { validToDate } = new X509Certificate(readFileSync(tls.cert))
  const expired = validToDate.getTime() < Date.now() ? `, which expired on ${validToDate.toISOString()}` : ''
  return `refuses the certificate in ${tls.cert}${expired}`
}

const wordings: readonly Wording[] = [
  [/no leader|leader changed|request timed out/, () => 'they have no leader: most of its servers are away'],
  [
    /database space exceeded/,
    () =>
      'its database is full (alarm NOSPACE): compact and defragment it, then disarm the alarm, or raise --quota-backend-bytes',
  ],
  [
    /invalid user ID or password/,
    ({ user }) => `it refuses user ${user?.name} with the password in ${user?.passwordFile}`,
  ],
  [/user name is empty/, () => 'it wants a user: add user=NAME and password-file=FILE to --cluster'],
  [
    /permission denied/,
    ({ user, prefix }) =>
      `user ${user?.name ?? 'of this certificate'} may not use the keys below ${prefix}: grant a role readwrite there`,
  ],
  [/CERT_HAS_EXPIRED|certificate has expired/, () => "the server's certificate has expired"],
  [/CERT_NOT_YET_VALID|certificate is not yet valid/, () => "the server's certificate is not valid yet"],
  [
    /UNABLE_TO_|SELF_SIGNED|self-signed|unable to (get|verify)/,
    ({ tls }) =>
      `the server's certificate is not from ${tls?.ca === '' || tls === null ? 'an authority that this host knows: add ca=FILE' : `the authority in ${tls.ca}`}`,
  ],
  [/ALTNAME_INVALID|does not match certificate/, () => "the server's certificate is for other names"],
  [
    /alert (bad certificate|certificate expired|unknown ca|certificate unknown|certificate required|handshake failure)/,
    (url) => `the server ${ownCertificate(url)}`,
  ],
  [
    /before secure TLS connection was established|wrong version number/,
    () => 'the server ends the connection at the start of TLS: if it speaks none, leave out ca, cert and key',
  ],
  [
    /Last error: Failed to connect/,
    ({ tls }) =>
      `the server ends the connection at its start${tls === null ? ': if it speaks TLS, add ca=FILE to --cluster' : ''}`,
  ],
  [/Connection dropped/, () => 'the server has ended the connection'],
  [/ECONNREFUSED/, () => 'connection refused'],
  [/EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL/, () => 'there is no way to it'],
  [/ENOTFOUND|EAI_AGAIN|Name resolution failed/, () => 'its name cannot be resolved'],
]

/** The cause of a failure for the operator. */
export function wordsOf(error: unknown, url: ClusterUrl): string {
  const text = details(error)
  const [, words] = wordings.find(([pattern]) => pattern.test(text)) ?? []
  return (
    words?.(url) ?? text.replace(/^No connection established\. Last error: (.*)\. Resolution note: .*/, '$1')
  )
}

/** The causes by server, once where they are the same. */
export function wordsOfAll(failures: ReadonlyMap<string, unknown>, url: ClusterUrl): string {
  const causes = new Map([...failures].map(([server, error]) => [server, wordsOf(error, url)]))
  if (new Set(causes.values()).size === 1) return [...causes.values()][0]!
  return [...causes].map(([server, cause]) => `${server}: ${cause}`).join('; ')
}
