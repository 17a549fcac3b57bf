/** This host's place in its cluster. */
import type { Prometheus, Registry, Sources } from './sources.ts'

const states = ['connected', 'away', 'fenced'] as const

/** Outside of a cluster there are none. */
export function clusterMetrics({ Gauge }: Prometheus, registry: Registry, { engine }: Sources): Disposable {
  const none = new DisposableStack()
  if (engine.hosts.status() === null) return none
  const registers = [registry]
  new Gauge({
    name: 'tsnet_cluster_state',
    help: '1 for the state that this host is in: connected, away from etcd, or fenced',
    labelNames: ['state'],
    registers,
    collect() {
      const now = engine.hosts.status()?.state
      for (const state of states) this.set({ state }, Number(state === now))
    },
  })
  new Gauge({
    name: 'tsnet_cluster_hosts',
    help: 'Hosts that the cluster has, as far as this one knows',
    registers,
    collect() {
      this.set(engine.hosts.status()?.hosts ?? 0)
    },
  })
  return none
}
