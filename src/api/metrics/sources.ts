/** What metrics are made of. */
import type { Engine } from '../../engine/engine.ts'
import type { Measures } from '../../engine/measures.ts'

export interface Sources {
  readonly engine: Pick<
    Engine,
    'containers' | 'networks' | 'volumes' | 'drivers' | 'hosts' | 'info' | 'subscribe'
  >
  readonly measures: Measures
  /** tsnet's own version, without v */
  readonly version: string
}

/** The library, loaded by a daemon that serves metrics alone. */
export type Prometheus = typeof import('prom-client')

export type Registry = InstanceType<Prometheus['Registry']>
