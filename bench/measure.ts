import type { Row } from './case.ts'

/** What a row's contestants took, in the row's unit. */
export interface Result {
  readonly title: string
  readonly unit: Row['unit']
  readonly rounds: number
  readonly samples: ReadonlyMap<string, readonly number[]>
}

/**
 * Lets the contestants take turns, each round beginning with the next of them, so that a slow moment of the machine
 * hits all alike. One round before counts for nothing: it fills caches.
 */
export async function measureRow(row: Row, usualRounds: number, signal: AbortSignal): Promise<Result> {
  const rounds = row.rounds ?? usualRounds
  const samples = new Map(row.contestants.map(({ name }) => [name, [] as number[]]))
  for (let round = rounds === 1 ? 0 : -1; round < rounds; round++) {
    for (let turn = 0; turn < row.contestants.length; turn++) {
      const { name, sample } = row.contestants[(turn + round + 1) % row.contestants.length]!
      signal.throwIfAborted()
      const took = await sample()
      if (round >= 0) samples.get(name)?.push(took)
    }
  }
  return { title: row.title, unit: row.unit, rounds, samples }
}

/** The value below which `share` of the numbers lie, 0.5 for the median. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const place = (sorted.length - 1) * share
  const below = sorted[Math.floor(place)] ?? Number.NaN
  const above = sorted[Math.ceil(place)] ?? Number.NaN
  // also for what took for ever
  if (below === above) return below
  return below + (above - below) * (place - Math.floor(place))
}
