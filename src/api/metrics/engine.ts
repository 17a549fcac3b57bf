/** What dockerd tells of itself, under its names and with its words. */
import { arch } from 'node:os'
import { onContainerAction, onNetworkAction } from '../../timings.ts'
import type { Prometheus, Registry, Sources } from './sources.ts'

/** Seconds; dockerd's. */
export const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export function engineMetrics(prometheus: Prometheus, registry: Registry, sources: Sources): Disposable {
  const stack = new DisposableStack()
  describeHost(prometheus, registry, sources)
  countContainers(prometheus, registry, sources)
  stack.use(countEvents(prometheus, registry, sources))
  stack.use(timeContainers(prometheus, registry))
  stack.use(timeNetworks(prometheus, registry))
  return stack
}

function describeHost(
  { Gauge }: Prometheus,
  registry: Registry,
  { engine, version }: Pick<Sources, 'engine' | 'version'>,
): void {
  const { id, kernel, operatingSystem, cpus, memory } = engine.info()
  const facts = {
    architecture: arch() === 'arm64' ? 'aarch64' : 'x86_64',
    commit: '',
    daemon_id: id,
    graphdriver: 'overlay2',
    kernel,
    os: operatingSystem,
    os_type: 'linux',
    os_version: '',
    version,
  }
  const registers = [registry]
  new Gauge({
    name: 'engine_daemon_engine_info',
    help: 'The information related to the engine and the OS it is running on',
    labelNames: Object.keys(facts),
    registers,
  }).set(facts, 1)
  new Gauge({
    name: 'engine_daemon_engine_cpus_cpus',
    help: 'The number of cpus that the host system of the engine has',
    registers,
  }).set(cpus)
  new Gauge({
    name: 'engine_daemon_engine_memory_bytes',
    help: 'The number of bytes of memory that the host system of the engine has',
    registers,
  }).set(memory)
}

function countContainers({ Gauge }: Prometheus, registry: Registry, { engine }: Sources): void {
  new Gauge({
    name: 'engine_daemon_container_states_containers',
    help: 'The count of containers in various states',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      const all = engine.containers.list()
      const running = all.filter(({ state }) => state.status === 'running').length
      this.set({ state: 'running' }, running)
      // Nothing is paused for longer than a snapshot of its volume takes.
      this.set({ state: 'paused' }, 0)
      this.set({ state: 'stopped' }, all.length - running)
    },
  })
}

function countEvents({ Counter }: Prometheus, registry: Registry, { engine }: Sources): Disposable {
  const registers = [registry]
  const events = new Counter({
    name: 'engine_daemon_events_total',
    help: 'The number of events logged',
    registers,
  })
  const repairs = new Counter({
    name: 'tsnet_repairs_total',
    help: 'How often something was put right that others had changed, by the driver of the network, or of the firewall',
    labelNames: ['what'],
    registers,
  })
  repairs.inc({ what: 'firewall' }, 0)
  const unsubscribe = engine.subscribe(({ type, action, attributes }) => {
    events.inc()
    if (action === 'repair')
      repairs.inc({ what: type === 'network' ? (attributes['type'] ?? '') : 'firewall' })
  })
  return { [Symbol.dispose]: unsubscribe }
}

function timeContainers(prometheus: Prometheus, registry: Registry): Disposable {
  const actions = histogramOf(prometheus, registry, 'container')
  for (const action of ['create', 'delete', 'start']) actions.zero({ action })
  return onContainerAction(({ action, seconds }) => actions.observe({ action }, seconds))
}

function timeNetworks(prometheus: Prometheus, registry: Registry): Disposable {
  const actions = histogramOf(prometheus, registry, 'network')
  actions.zero({ action: 'connect' })
  return onNetworkAction(({ action, seconds }) => actions.observe({ action }, seconds))
}

function histogramOf({ Histogram }: Prometheus, registry: Registry, what: 'container' | 'network') {
  return new Histogram({
    name: `engine_daemon_${what}_actions_seconds`,
    help: `The number of seconds it takes to process each ${what} action`,
    labelNames: ['action'],
    buckets,
    registers: [registry],
  })
}
