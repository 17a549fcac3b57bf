/** Which entry of an index fits a machine. */
import { TsnetError } from '../errors.ts'
import type { Descriptor } from './manifest.ts'

export interface Platform {
  readonly os: string
  /** In Go's names: amd64, arm64, arm … */
  readonly architecture: string
  /** `v8`, `v7` …; '' when it does not matter */
  readonly variant: string
}

const goArchitectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' }
const aliases: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  i386: '386',
}
/** What an entry without a variant stands for. */
const impliedVariants: Readonly<Record<string, string>> = { arm64: 'v8', arm: 'v7' }

/** This machine's, in Go's names. */
export function hostPlatform(): Platform {
  return { os: 'linux', architecture: goArchitectures[process.arch] ?? process.arch, variant: '' }
}

/** Parses `os[/architecture[/variant]]`, or an architecture alone; '' is this machine's. Throws kind 'invalid'. */
export function parsePlatform(text: string): Platform {
  const host = hostPlatform()
  if (text === '') return host
  const parts = text.toLowerCase().split('/')
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9_.-]+$/.test(part))) {
    throw new TsnetError(
      'invalid',
      'invalid-platform',
      `"${text}" is an invalid platform: use os, os/architecture or os/architecture/variant, such as linux/arm64/v8`,
    )
  }
  const [first = '', architecture, variant = ''] = parts
  if (architecture === undefined && first !== 'linux') {
    return { os: 'linux', architecture: aliases[first] ?? first, variant: '' }
  }
  const named = architecture ?? host.architecture
  return { os: first, architecture: aliases[named] ?? named, variant }
}

export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/')
}

function variantOf(entry: Descriptor): string {
  return entry.platform?.variant || impliedVariants[entry.platform?.architecture ?? ''] || ''
}

/** The first entry for the platform, or null. An entry that says no platform at all fits where it is the only one. */
export function choosePlatform(entries: readonly Descriptor[], wanted: Platform): Descriptor | null {
  const fitting = entries.filter(
    ({ platform }) => platform?.os === wanted.os && platform.architecture === wanted.architecture,
  )
  const variant = wanted.variant || (impliedVariants[wanted.architecture] ?? '')
  const exact = fitting.find((entry) => variantOf(entry) === variant)
  if (exact !== undefined) return exact
  if (wanted.variant === '' && fitting[0] !== undefined) return fitting[0]
  const [only] = entries
  return entries.length === 1 && only !== undefined && !only.platform ? only : null
}
