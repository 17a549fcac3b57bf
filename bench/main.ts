/** Runs the benchmarks: prints each table as it is ready, and writes docs/benchmarks.md when all of them ran, or the document of the one that runs apart. */
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Case } from './case.ts'
import { ENGINE_NAMES, type EngineName } from './engines/engine.ts'
import { measureRow, type Result } from './measure.ts'
import { renderHead, renderSection } from './report.ts'
import { openStage, type Stage } from './stage.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const WHOLE_RUN_MINUTES = 12

async function loadCases(): Promise<Case[]> {
  const files = readdirSync(join(root, 'bench/cases')).filter((name) => name.endsWith('.ts'))
  const modules = await Promise.all(
    files.map((name) => import(`./cases/${name}`) as Promise<{ default: Case }>),
  )
  return modules.map((module) => module.default).sort((a, b) => a.order - b.order)
}

function chooseCases(all: readonly Case[], names: readonly string[]): readonly Case[] {
  const unknown = names.filter((name) => !all.some((one) => one.name === name))
  const known = all.map((one) => one.name).join(', ')
  if (unknown.length > 0) throw new Error(`no such benchmark: ${unknown.join(', ')}; there are ${known}`)
  return all.filter((one) => (names.length === 0 ? !one.apart : names.includes(one.name)))
}

function chooseEngines(list: string | undefined): readonly EngineName[] {
  if (list === undefined) return ENGINE_NAMES
  const names = list.split(',')
  const unknown = names.filter((name) => !(ENGINE_NAMES as readonly string[]).includes(name))
  if (unknown.length > 0)
    throw new Error(`no such engine: ${unknown.join(', ')}; there are ${ENGINE_NAMES.join(', ')}`)
  return ENGINE_NAMES.filter((name) => names.includes(name))
}

/** Null for a choice, of which nothing is kept. */
function documentFor([first]: readonly Case[], names: readonly string[]): string | null {
  if (names.length === 0) return 'docs/benchmarks.md'
  return names.length === 1 && first?.apart ? `docs/benchmarks-${first.name}.md` : null
}

async function runCase(one: Case, stage: Stage, rounds: number): Promise<string> {
  const results: Result[] = []
  for await (const row of one.rows(stage)) {
    if (row.contestants.length > 0) results.push(await measureRow(row, rounds, stage.signal))
  }
  return renderSection({ about: one, results })
}

/** Aborted by Ctrl-C, by a request to end, and when the whole run takes too long. */
function interruption(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => controller.abort(new Error(`interrupted by ${name}`)))
  }
  return AbortSignal.any([controller.signal, AbortSignal.timeout(WHOLE_RUN_MINUTES * 60_000)])
}

/** Throws at once when the signal aborts, whatever an engine may be waiting for. */
async function aborted(signal: AbortSignal): Promise<never> {
  await once(signal, 'abort')
  throw signal.reason
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: 'string', default: '20' }, engines: { type: 'string' } },
  })
  const dir = process.env['BENCH_DIR']
  if (!dir) throw new Error('bench/main.ts: is to be started by scripts/bench, which makes its namespaces')
  const all = await loadCases()
  const cases = chooseCases(all, positionals)
  const engines = chooseEngines(values.engines)
  const rounds = Number(values.rounds)
  if (!(rounds >= 1)) throw new Error(`--rounds ${values.rounds}: a number of 1 or more is needed`)
  const signal = interruption()
  const began = performance.now()
  await using stage = await openStage(root, dir, engines, signal)
  const sections: string[] = []
  for (const one of cases) {
    const section = await Promise.race([runCase(one, stage, rounds), aborted(signal)])
    console.log(`\n${section}`)
    sections.push(section)
  }
  const head = renderHead(root, stage.versions(), rounds, (performance.now() - began) / 60_000)
  console.log(head)
  const document = documentFor(cases, positionals)
  if (document === null || engines.length < ENGINE_NAMES.length) return
  writeFileSync(join(root, document), [head, ...sections].join('\n'))
  console.log(`written to ${document}`)
}

try {
  await main()
  process.exit(0)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
}
