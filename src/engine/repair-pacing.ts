/**
 * How fast repairs follow each other. Somebody who undoes each of them is answered ever more slowly, and one that fails is tried again a few
 * times only, until there is another sign that something has changed.
 */

/** So many in a row are made at once; each further one doubles the pause before the next, up to the longest. Milliseconds. */
const patience = 10
const shortestPause = 1000
const longestPause = 60_000

/** Attempts after one that failed; the pause before the first is the shortest, and doubles. */
const mostAttempts = 5

/** Milliseconds without a repair after which the next one is the first of a row. */
const quietTime = 2 * longestPause

interface Row {
  repairs: number
  failures: number
  /** performance.now() of the last one. */
  at: number
}

export class RepairPacing {
  /** By what is repaired. */
  readonly #rows = new Map<string, Row>()

  /** Milliseconds for which `subject` is to be left alone. */
  rest(subject: string): number {
    const row = this.#rows.get(subject)
    return row === undefined ? 0 : Math.max(0, row.at + pauseAfter(row.repairs) - performance.now())
  }

  /** It was repaired, as somebody had changed it. */
  succeeded(subject: string): void {
    this.#count(subject).failures = 0
  }

  /** `pause` is the milliseconds after which to try again, null when it has been tried often enough. */
  failed(subject: string): { readonly isFirst: boolean; readonly pause: number | null } {
    const row = this.#count(subject)
    row.failures++
    const pause = row.failures > mostAttempts ? null : shortestPause * 2 ** (row.failures - 1)
    return { isFirst: row.failures === 1, pause }
  }

  #count(subject: string): Row {
    const now = performance.now()
    for (const [other, { at }] of this.#rows) if (now - at > quietTime) this.#rows.delete(other)
    const before = this.#rows.get(subject)
    const isInRow = before !== undefined && now - before.at < 2 * pauseAfter(before.repairs) + shortestPause
    const row = { repairs: isInRow ? before.repairs + 1 : 1, failures: before?.failures ?? 0, at: now }
    this.#rows.set(subject, row)
    return row
  }
}

function pauseAfter(repairs: number): number {
  return repairs < patience ? 0 : Math.min(shortestPause * 2 ** (repairs - patience), longestPause)
}
