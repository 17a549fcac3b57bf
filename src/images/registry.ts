/** A client of the distribution API, version 2, for one repository. */
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { TsnetError } from '../errors.ts'
import { parseChallenges } from './challenge.ts'
import { type Digest, digestOf } from './digest.ts'
import type { RegistryAuth } from './image.ts'
import { mediaTypes } from './manifest.ts'
import type { Reference } from './reference.ts'
import { authorize } from './registry-auth.ts'
import { refusalOf } from './registry-error.ts'
import { isLoopback, readBody, send, TransportError } from './transport.ts'

export interface FetchedManifest {
  readonly bytes: Buffer
  readonly mediaType: string
  readonly digest: Digest
}

export interface BlobStream {
  readonly body: Readable
  /** Where the body starts: what was asked for, or 0 when the registry cannot resume. */
  readonly offset: number
}

export interface Registry {
  /** An index or a manifest by tag or digest, its digest verified. Throws kind 'not-found' with Docker's text. */
  manifest(tagOrDigest: string): Promise<FetchedManifest>
  /** Opens a blob from `offset`; nothing is verified yet. */
  blob(digest: Digest, offset: number): Promise<BlobStream>
}

/** The registry behind docker.io has a name of its own. */
const hosts: Readonly<Record<string, string>> = { 'docker.io': 'registry-1.docker.io' }
const longestManifest = 4 << 20
const accepted = [
  mediaTypes.ociIndex,
  mediaTypes.ociManifest,
  mediaTypes.dockerIndex,
  mediaTypes.dockerManifest,
].join(', ')

/** Finds out how the registry is to be spoken to. Throws TransportError when it cannot be reached. */
export async function connectRegistry(
  reference: Reference,
  auth: RegistryAuth | null,
  signal: AbortSignal,
): Promise<Registry> {
  const { base, challenge } = await ping(hosts[reference.domain] ?? reference.domain, signal)
  const authorization = async (header: string): Promise<string> =>
    header === '' ? '' : authorize(parseChallenges(header), auth, reference, signal)
  let credentials = await authorization(challenge)

  const call = async (path: string, headers: Record<string, string>): Promise<IncomingMessage> => {
    const url = new URL(`${base}${reference.path}/${path}`)
    const ask = (): Promise<IncomingMessage> =>
      send({
        method: 'GET',
        url,
        headers: credentials === '' ? headers : { ...headers, authorization: credentials },
        signal,
      })
    const response = await ask()
    const again = response.headers['www-authenticate']
    if (response.statusCode !== 401 || again === undefined) return response
    // Tokens last for minutes, downloads for longer.
    response.resume()
    credentials = await authorization(again)
    return ask()
  }

  return {
    manifest: async (tagOrDigest) => {
      const response = await call(`manifests/${tagOrDigest}`, { accept: accepted })
      if (response.statusCode !== 200) throw await refusalOf(response, reference)
      const bytes = await readBody(response, longestManifest)
      const claimed = response.headers['docker-content-digest']
      const mediaType = (response.headers['content-type'] ?? '').split(';', 1)[0]?.trim() ?? ''
      return { bytes, mediaType, digest: verifyManifest(bytes, tagOrDigest, claimed) }
    },
    blob: async (digest, offset) => {
      const headers: Record<string, string> = offset === 0 ? {} : { range: `bytes=${offset}-` }
      const response = await call(`blobs/${digest}`, headers)
      if (response.statusCode === 200) return { body: response, offset: 0 }
      if (response.statusCode !== 206) throw await refusalOf(response, reference)
      const start = /^bytes (\d+)-/.exec(response.headers['content-range'] ?? '')?.[1]
      return { body: response, offset: Number(start ?? offset) }
    },
  }
}

function verifyManifest(bytes: Buffer, asked: string, claimed: string | string[] | undefined): Digest {
  const digest = digestOf(bytes)
  const promised = asked.includes(':') ? asked : claimed
  if (promised !== undefined && promised !== digest) {
    throw new TsnetError(
      'invalid',
      'manifest-digest',
      `manifest verification failed for digest ${String(promised)}: the registry sent ${digest}`,
    )
  }
  return digest
}

/** The API's root and the challenge it answers with, '' where anyone may read. */
async function ping(host: string, signal: AbortSignal): Promise<{ base: string; challenge: string }> {
  if (!isLoopback(new URL(`https://${host}`).hostname)) return pingAt(`https://${host}/v2/`, signal)
  try {
    return await pingAt(`http://${host}/v2/`, signal)
  } catch (error) {
    // A registry on this machine may speak TLS as well, with a certificate of its own making.
    if (error instanceof TransportError && error.isOtherProtocol) return pingAt(`https://${host}/v2/`, signal)
    throw error
  }
}

async function pingAt(base: string, signal: AbortSignal): Promise<{ base: string; challenge: string }> {
  const response = await send({ method: 'GET', url: new URL(base), headers: {}, signal })
  const body = await readBody(response, longestManifest)
  if (base.startsWith('http:') && response.statusCode === 400 && body.includes('HTTPS server')) {
    return pingAt(base.replace('http:', 'https:'), signal)
  }
  const challenge = response.statusCode === 401 ? (response.headers['www-authenticate'] ?? '') : ''
  return { base, challenge }
}
