/**
 * All metrics, in one registry. What is counted over time is heard of as it happens; all else is read from the engine when somebody
 * asks. Labels have few values: names of drivers and states, never those of containers, networks or volumes.
 */
import { clusterMetrics } from './cluster.ts'
import { driverMetrics } from './drivers.ts'
import { engineMetrics } from './engine.ts'
import { networkMetrics } from './networks.ts'
import type { Prometheus, Registry, Sources } from './sources.ts'
import { volumeMetrics } from './volumes.ts'

export interface Metrics extends Disposable {
  /** Of `text`, for HTTP. */
  readonly contentType: string
  /** Everything as it is now, in Prometheus' text form. */
  text(): Promise<string>
}

/** Counts from now on, until disposed of. */
export async function createMetrics(sources: Sources): Promise<Metrics> {
  const prometheus = await import('prom-client')
  const registry = new prometheus.Registry()
  describeProcess(prometheus, registry)
  const stack = new DisposableStack()
  for (const add of [engineMetrics, networkMetrics, driverMetrics, volumeMetrics, clusterMetrics])
    stack.use(add(prometheus, registry, sources))
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    [Symbol.dispose]: () => stack.dispose(),
  }
}

/** milliseconds */
const never = 2 ** 31 - 1

/**
 * The process's own metrics, less those for which the library would wake the daemon a hundred times a second, scraped or not. The lag at the
 * time of the question is still told.
 */
function describeProcess({ collectDefaultMetrics }: Prometheus, registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: never })
  for (const figure of ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'])
    registry.removeSingleMetric(`nodejs_eventloop_lag_${figure}_seconds`)
}
