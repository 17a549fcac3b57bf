/** Networks, what hangs on them, ports of the host, and questions for names. */
import type { ContainerRecord } from '../../store/records.ts'
import type { Prometheus, Registry, Sources } from './sources.ts'

export function networkMetrics(prometheus: Prometheus, registry: Registry, sources: Sources): Disposable {
  countNetworks(prometheus, registry, sources)
  countPorts(prometheus, registry, sources)
  countQuestions(prometheus, registry, sources)
  return new DisposableStack()
}

function runningContainers({ engine }: Pick<Sources, 'engine'>): ContainerRecord[] {
  return engine.containers.list().filter(({ state }) => state.status === 'running')
}

function countNetworks({ Gauge }: Prometheus, registry: Registry, sources: Sources): void {
  const common = { labelNames: ['driver'], registers: [registry] }
  new Gauge({
    name: 'tsnet_networks',
    help: 'Networks, by their driver',
    ...common,
    collect() {
      this.reset()
      for (const { driver } of sources.engine.networks.list()) this.inc({ driver })
    },
  })
  new Gauge({
    name: 'tsnet_endpoints',
    help: 'Endpoints of running containers, by the driver of their network',
    ...common,
    collect() {
      this.reset()
      const drivers = new Map(sources.engine.networks.list().map(({ id, driver }) => [id, driver]))
      for (const driver of drivers.values()) this.inc({ driver }, 0)
      for (const { endpoints } of runningContainers(sources))
        for (const { network } of endpoints) this.inc({ driver: drivers.get(network) ?? '' })
    },
  })
}

const protocols = ['tcp', 'udp', 'sctp'] as const

/** A port that is published at an address of each family counts twice. */
function countPorts({ Gauge }: Prometheus, registry: Registry, sources: Sources): void {
  new Gauge({
    name: 'tsnet_published_ports',
    help: 'Ports of the host that are published for running containers, each address of its own',
    labelNames: ['protocol'],
    registers: [registry],
    collect() {
      for (const protocol of protocols) this.set({ protocol }, 0)
      for (const { published } of runningContainers(sources))
        for (const { protocol, count } of published) this.inc({ protocol }, count)
    },
  })
}

/** What was answered is counted where it is; the sums are handed on. */
function countQuestions({ Counter }: Prometheus, registry: Registry, { measures }: Sources): void {
  new Counter({
    name: 'tsnet_dns_questions_total',
    help: "Containers' questions for names: known of their networks, cached, forwarded to servers, or none of these",
    labelNames: ['outcome'],
    registers: [registry],
    collect() {
      const { queries, own, cached, forwarded } = measures.names()
      this.reset()
      const outcomes = { own, cached, forwarded, unasked: queries - own - cached - forwarded }
      for (const [outcome, count] of Object.entries(outcomes)) this.inc({ outcome }, count)
    },
  })
  new Counter({
    name: 'tsnet_dns_failures_total',
    help: "Containers' questions for which no server had an answer, or none may be asked",
    registers: [registry],
    collect() {
      this.reset()
      this.inc(measures.names().failed)
    },
  })
}
