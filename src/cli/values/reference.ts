/** Image names as people write them. */

/** An image's name in its parts; '' for those that are not there. */
export interface Reference {
  /** without registry when that is Docker's: `busybox`, `me/app`, `localhost:5000/app` */
  readonly name: string
  readonly tag: string
  readonly digest: string
}

/** Splits a name; the first part is a registry when it has a dot or a port, or is localhost. */
export function splitReference(text: string): Reference {
  const [tagged = '', digest = ''] = text.split('@', 2)
  const colon = tagged.lastIndexOf(':')
  const hasTag = colon > tagged.lastIndexOf('/')
  const name = hasTag ? tagged.slice(0, colon) : tagged
  return { name: familiarName(name), tag: hasTag ? tagged.slice(colon + 1) : '', digest }
}

function familiarName(name: string): string {
  return name.replace(/^(?:index\.)?docker\.io\//, '').replace(/^library\/(?=[^/]+$)/, '')
}

/** `busybox` as `busybox:latest`; with a tag or a digest as it is. */
export function withDefaultTag({ name, tag, digest }: Reference): string {
  if (digest !== '') return tag === '' ? `${name}@${digest}` : `${name}:${tag}@${digest}`
  return `${name}:${tag || 'latest'}`
}

/** The full name, with registry: `docker.io/library/busybox:latest`. */
export function canonicalName(reference: Reference): string {
  const { name } = reference
  const first = name.split('/', 1)[0]!
  const hasRegistry = name.includes('/') && (/[.:]/.test(first) || first === 'localhost')
  const path = hasRegistry ? name : `docker.io/${name.includes('/') ? name : `library/${name}`}`
  return withDefaultTag({ ...reference, name: path })
}
