/** What a command answers, without what is different in any two runs, as lines that can be compared. */
import type { Result } from '../helpers/daemon.ts'

/** Exit status, then standard output (JSON as `path: value`), then standard error. `kept` are texts that stay as they are. */
export function linesOf({ code, stdout, stderr }: Result, kept: ReadonlySet<string>): string[] {
  const text = (written: string) =>
    neutral(written, kept)
      .split('\n')
      .filter((line) => line !== '' && !noise.test(line))
  return [
    ...(code === 0 ? [] : [`exit status ${code}`]),
    ...(jsonLines(neutral(stdout, kept)) ?? text(stdout)),
    ...text(stderr).map((line) => `stderr: ${line}`),
  ].map((line) => line.trimEnd())
}

/** Addresses that the script itself gives are part of what is compared. */
export const addressesIn = (script: string): Set<string> =>
  new Set([...(script.match(mac) ?? []), ...(script.match(ip) ?? [])])

const mac = /\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b/g
const ip = /\b(?:\d+\.){3}\d+\b/g
const upstream = /(?<=(?:nameserver|forwards to) )(?!127\.0\.0\.11\b)(?:\d+\.){3}\d+/g

const replacements: readonly (readonly [RegExp, string])[] = [
  [/[^\s"]*\/netns\/[^\s"]+/g, 'NETNS'],
  [/[^\s"]*\/tsnet-(?:dockerd|test|side)-\w{6}/g, 'ROOT'],
  [/\b(?:sha256:)?[0-9a-f]{64}\b/g, 'ID'],
  [/\b[0-9a-f]{12}\b/g, 'ID'],
  [/\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(?:Z| ?[+-]\d\d:?\d\d)(?: UTC)?/g, 'TIME'],
  [/\btsnet-[0-9a-f]{6}\b/g, 'BRIDGE'],
  [/(?<=\b(?:endpoint|container) |\/)[a-z]+_[a-z]+\d?\b/g, 'NAME'],
  [/(?<=\bprocess )\d+/g, 'PID'],
  [/\bfe80::[0-9a-f:]+/g, 'LINKLOCAL'],
  [/\bveth[0-9a-f]{7,}\b/g, 'VETH'],
]

/** What Docker's client says or not, as it happens. */
const noise = /level=error msg="error waiting for container/

function neutral(text: string, kept: ReadonlySet<string>): string {
  const named = text
    .replaceAll(mac, (address) => (kept.has(address) ? address : 'MAC'))
    .replaceAll(upstream, (address) => (kept.has(address) ? address : 'UPSTREAM'))
  return replacements.reduce((changed, [pattern, name]) => changed.replaceAll(pattern, name), named)
}

/** One JSON value, or one on each line; null for any other text. */
function jsonLines(text: string): string[] | null {
  for (const parts of [[text], text.split('\n').filter(Boolean)]) {
    try {
      return parts.flatMap((part, index) => flatten(parts.length === 1 ? '' : `${index}`, JSON.parse(part)))
    } catch {}
  }
  return null
}

/** Null, an empty list and an empty object are one to Docker's clients, and tell as much as nothing at all. */
function flatten(path: string, value: unknown): string[] {
  if (value === null) return []
  if (typeof value !== 'object') return [`${path}: ${JSON.stringify(value)}`]
  const isList = Array.isArray(value)
  return Object.entries(value)
    .sort(([one], [other]) => (isList || one < other ? -1 : 1))
    .flatMap(([key, inner]) =>
      flatten(isList ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`, inner),
    )
}

/** Lines of one answer only: `- ` with the first, `+ ` with the second. Other order is another answer. */
export function differenceOf(first: readonly string[], second: readonly string[]): string[] {
  if (first.join('\n') === second.join('\n')) return []
  const [gone, added] = [without(first, second), without(second, first)]
  const isOrder = gone.length === 0 && added.length === 0
  return [
    ...(isOrder ? first : gone).map((line) => `- ${line}`),
    ...(isOrder ? second : added).map((line) => `+ ${line}`),
  ]
}

function without(lines: readonly string[], others: readonly string[]): string[] {
  const left = [...others]
  return lines.filter((line) => {
    const index = left.indexOf(line)
    if (index >= 0) left.splice(index, 1)
    return index < 0
  })
}
