/**
 * References to images, by the grammar of distribution's reference package:
 *
 *   [domain/]path[:tag][@digest]       docker.io/library/alpine:3.20@sha256:…
 *
 * The familiar form, which people type and see, leaves out `docker.io/` and `library/`.
 */
import { TsnetError } from '../errors.ts'
import { isDigest } from './digest.ts'

/** A full reference: the domain is never empty; `tag` and `digest` are null when not given. */
export interface Reference {
  /** `docker.io`, `localhost:5000`, `[::1]:5000` … */
  readonly domain: string
  /** `library/alpine` */
  readonly path: string
  readonly tag: string | null
  readonly digest: string | null
}

const defaultDomain = 'docker.io'
const legacyDomain = 'index.docker.io'
const officialPrefix = 'library/'
const longestPath = 255

const component = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?'
const host = `(?:${component}(?:\\.${component})*|\\[[a-fA-F0-9:]+\\])`
const pathComponent = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
const domainPattern = new RegExp(`^${host}(?::[0-9]+)?$`)
const pathPattern = new RegExp(`^${pathComponent}(?:/${pathComponent})*$`)
const tagPattern = /^\w[\w.-]{0,127}$/
const digestPattern = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/
const identifierPattern = /^[a-f0-9]{64}$/

function refuse(message: string): TsnetError {
  return new TsnetError('invalid', 'invalid-reference', message)
}

/**
 * Parses a familiar or full reference. No tag is added: see `withDefaultTag`.
 * Throws kind 'invalid' with Docker's text, e.g. `invalid reference format`.
 */
export function parseReference(text: string): Reference {
  if (identifierPattern.test(text)) {
    throw refuse(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`)
  }
  const [domain, remainder] = splitDomain(text)
  const name = remainder.split(/[:@]/, 1)[0] ?? ''
  if (name !== name.toLowerCase()) {
    throw refuse(`invalid reference format: repository name (${name}) must be lowercase`)
  }
  const { path, tag, digest } = splitSuffixes(remainder)
  if (!domainPattern.test(domain) || !pathPattern.test(path)) throw refuse('invalid reference format')
  if (path.length > longestPath) {
    throw refuse(`repository name must not be more than ${longestPath} characters`)
  }
  if (tag !== null && !tagPattern.test(tag)) throw refuse('invalid reference format')
  if (digest !== null) checkDigest(digest)
  return { domain, path, tag, digest }
}

/** The part before the first slash is a domain only when it cannot be a name's: it has a dot, a colon or a capital. */
function splitDomain(text: string): [domain: string, remainder: string] {
  const slash = text.indexOf('/')
  if (slash < 0) return [defaultDomain, officialPrefix + text]
  const first = text.slice(0, slash)
  const isDomain = first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase()
  const domain = !isDomain || first === legacyDomain ? defaultDomain : first
  const remainder = isDomain ? text.slice(slash + 1) : text
  return [
    domain,
    domain === defaultDomain && !remainder.includes('/') ? officialPrefix + remainder : remainder,
  ]
}

function splitSuffixes(remainder: string): Pick<Reference, 'path' | 'tag' | 'digest'> {
  const at = remainder.indexOf('@')
  const named = at < 0 ? remainder : remainder.slice(0, at)
  const colon = named.indexOf(':')
  return {
    path: colon < 0 ? named : named.slice(0, colon),
    tag: colon < 0 ? null : named.slice(colon + 1),
    digest: at < 0 ? null : remainder.slice(at + 1),
  }
}

function checkDigest(digest: string): void {
  if (!digestPattern.test(digest)) throw refuse('invalid reference format')
  if (!digest.startsWith('sha256:')) throw refuse('unsupported digest algorithm')
  if (!isDigest(digest)) throw refuse('invalid checksum digest length')
}

/** A reference with neither tag nor digest means `latest`. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === null && reference.digest === null ? { ...reference, tag: 'latest' } : reference
}

/** The repository alone in familiar form: `alpine`, `grafana/grafana`, `localhost:5000/a/b`. */
export function familiarName({ domain, path }: Reference): string {
  const full = `${domain}/${path}`
  if (domain !== defaultDomain) return full
  const short = path.startsWith(officialPrefix) ? path.slice(officialPrefix.length) : path
  // Without its domain the name must not mean something else: `library/a/b` is not `a/b`, and `a.b/c` is of another host.
  const familiar = short.includes('/') ? path : short
  return splitDomain(familiar)[0] === defaultDomain ? familiar : full
}

/** Tag and digest as they follow a name. */
function suffix(reference: Reference): string {
  return (
    (reference.tag === null ? '' : `:${reference.tag}`) +
    (reference.digest === null ? '' : `@${reference.digest}`)
  )
}

/** The short form that people see; `parseReference` of it gives the same reference. */
export function familiarReference(reference: Reference): string {
  return familiarName(reference) + suffix(reference)
}

/** The full form, with its domain. */
export function formatReference(reference: Reference): string {
  return `${reference.domain}/${reference.path}${suffix(reference)}`
}
