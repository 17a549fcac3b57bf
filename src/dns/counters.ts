/** What became of one sandbox's queries since its name service was opened. */
export interface QueryCounters {
  /** All that came, readable or not. */
  readonly queries: number
  /** Answered from the names of its networks. */
  readonly own: number
  /** Answered from the cache. */
  readonly cached: number
  /** Sent on to other servers, or joined to such a query that was on its way. */
  readonly forwarded: number
  /** Of all: those for which no server had an answer, or none may be asked. */
  readonly failed: number
}

export type RunningCounters = { -readonly [Key in keyof QueryCounters]: QueryCounters[Key] }

export function createCounters(): RunningCounters {
  return { queries: 0, own: 0, cached: 0, forwarded: 0, failed: 0 }
}

export function addCounters(sum: RunningCounters, more: QueryCounters): void {
  for (const key of Object.keys(sum) as (keyof QueryCounters)[]) sum[key] += more[key]
}
