/** `-v`. */
import { resolve } from 'node:path'
import { badValue } from './bad-value.ts'

/** An anonymous volume's path in the container, or a bind as the API takes it. */
export type VolumeFlag = { readonly anonymous: string } | { readonly bind: string }

/**
 * Reads `/path`, `name:/path[:options]` or `/host/path:/path[:options]`; `./host/path` is taken from `directory`. Only the options
 * idmap and own have colons in them.
 */
export function parseVolume(text: string, directory: string): VolumeFlag {
  if (text === '') throw badValue('invalid empty volume spec')
  const parts = text.split(':')
  if (parts.includes('')) throw badValue(`invalid spec: ${text}: empty section between colons`)
  const [source, ...rest] = parts as [string, ...string[]]
  const hasOwners = /(^|,)(idmap|own)=/.test(rest.slice(1).join(':'))
  if (parts.length > 3 && !hasOwners) throw badValue(`invalid spec: ${text}: too many colons`)
  if (rest.length === 0) return { anonymous: source }
  return { bind: [source.startsWith('.') ? resolve(directory, source) : source, ...rest].join(':') }
}

/** The path and the options of `--tmpfs /path[:options]`. */
export function parseTmpfs(text: string): [path: string, options: string] {
  const at = text.indexOf(':')
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}
