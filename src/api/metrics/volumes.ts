/** Volumes and their limits, by driver. */
import type { Prometheus, Registry, Sources } from './sources.ts'

/** bytes, of all volumes of one driver that have a limit */
interface Limits {
  count: number
  used: number
  limit: number
  /** The share of its limit that the fullest of them takes. */
  fullest: number
}

type Figure = readonly [name: string, help: string, of: (limits: Limits) => number]

const figures: readonly Figure[] = [
  ['tsnet_volumes_limited', 'Volumes that have a limit', ({ count }) => count],
  ['tsnet_volumes_used_bytes', 'Bytes that volumes with a limit take', ({ used }) => used],
  ['tsnet_volumes_limit_bytes', 'Sum of the limits of volumes', ({ limit }) => limit],
  [
    'tsnet_volumes_fullest_ratio',
    'The share of its limit that the fullest volume takes',
    (all) => all.fullest,
  ],
]

export function volumeMetrics({ Gauge }: Prometheus, registry: Registry, sources: Sources): Disposable {
  const common = { labelNames: ['driver'], registers: [registry] }
  new Gauge({
    name: 'tsnet_volumes',
    help: 'Volumes, by their driver',
    ...common,
    collect() {
      this.reset()
      for (const { driver } of sources.engine.volumes.list()) this.inc({ driver })
    },
  })
  const limits = together(() => readLimits(sources))
  for (const [name, help, of] of figures) {
    new Gauge({
      name,
      help,
      ...common,
      async collect() {
        const now = await limits()
        this.reset()
        for (const [driver, sums] of now) this.set({ driver }, of(sums))
      },
    })
  }
  return new DisposableStack()
}

/** Who asks while an answer is on its way gets the same one: the metrics of one scrape are asked for at once. */
function together<T>(read: () => Promise<T>): () => Promise<T> {
  let reading: Promise<T> | null = null
  return () => {
    reading ??= read().finally(() => {
      reading = null
    })
    return reading
  }
}

async function readLimits({ engine: { volumes } }: Sources): Promise<Map<string, Limits>> {
  const limits = new Map<string, Limits>()
  const read = async ({ name, driver }: { name: string; driver: string }): Promise<void> => {
    // One that is removed meanwhile counts no more.
    const usage = await volumes.quota(name).catch(() => null)
    if (usage === null || usage.limit === 0) return
    const sums = limits.get(driver) ?? { count: 0, used: 0, limit: 0, fullest: 0 }
    limits.set(driver, {
      count: sums.count + 1,
      used: sums.used + usage.used,
      limit: sums.limit + usage.limit,
      fullest: Math.max(sums.fullest, usage.used / usage.limit),
    })
  }
  await Promise.all(volumes.list().map(read))
  return limits
}
