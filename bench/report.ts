import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import type { Case } from './case.ts'
import { quantile, type Result } from './measure.ts'

export interface Section {
  readonly about: Pick<Case, 'title' | 'about'>
  readonly results: readonly Result[]
}

/** A case's results as a Markdown section with one table. */
export function renderSection({ about, results }: Section): string {
  const names = [...new Set(results.flatMap((result) => [...result.samples.keys()]))]
  const [first = '', ...others] = names
  const peers = first === 'tsnet' ? others : []
  const head = ['', ...names, ...peers.map((peer) => `${peer} / ${first}`), 'rounds']
  const body = results.map((result) => [
    `${result.title}, ${result.unit}`,
    ...names.map((name) => renderSamples(result.samples.get(name))),
    ...peers.map((peer) => renderRatio(result.samples.get(peer), result.samples.get(first))),
    String(result.rounds),
  ])
  return `## ${about.title}\n\n${about.about}\n\n${renderTable([head, ...body])}\n`
}

function renderSamples(samples: readonly number[] | undefined): string {
  if (!samples || samples.length === 0) return '–'
  const median = renderNumber(quantile(samples, 0.5))
  return samples.length === 1 ? median : `${median} (${renderNumber(quantile(samples, 0.9))})`
}

function renderRatio(peer: readonly number[] | undefined, own: readonly number[] | undefined): string {
  return peer?.length && own?.length ? `${renderNumber(quantile(peer, 0.5) / quantile(own, 0.5))}×` : '–'
}

/** Three digits that matter are enough. */
function renderNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '∞'
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)
}

function renderTable(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows
  const widths = head.map((_, column) => Math.max(3, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]) => {
    const padded = cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
    return `| ${padded.join(' | ')} |`
  }
  const rule = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [line(head), rule, ...body.map(line)].join('\n')
}

/** The document's head: under which conditions the figures came to be. */
export function renderHead(
  root: string,
  versions: readonly string[],
  rounds: number,
  minutes: number,
): string {
  const git = (...args: string[]) => execFileSync('git', ['-C', root, ...args], { encoding: 'utf8' }).trim()
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}, ${memory}, Linux ${release()}, ${distribution()}`
  return `# Benchmarks

Written by \`npm run bench\`; nothing here is typed by hand. Figures are medians with the 90th percentile in brackets; a
ratio says how many times tsnet's median a peer's is. The contestants take turns within one run, ${rounds} rounds each unless the
table says otherwise. Every engine is alone in a network namespace, with roots of its own on the same disk and an image made from
the same busybox; dockerd, podman and runc are Debian's packages in their defaults.

- commit: ${git('log', '-1', '--format=%h of %cs')}${git('status', '--porcelain') ? ', with changes not committed' : ''}
- machine: ${machine}
- versions: ${[...versions, `node ${process.versions.node}`].join(', ')}
- whole run: ${minutes.toFixed(1)} minutes; the machine's load over the last 15 minutes was ${loadavg()[2]?.toFixed(1)}
`
}

function distribution(): string {
  return (
    /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown distribution'
  )
}
