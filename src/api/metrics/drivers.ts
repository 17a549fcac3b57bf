/** Whether drivers are there, and how calls of those that are not tsnet's own end. */
import type { DriverInfo } from '../../engine/engine.ts'
import { onDriverCall } from '../../timings.ts'
import { buckets } from './engine.ts'
import type { Prometheus, Registry, Sources } from './sources.ts'

export function driverMetrics(prometheus: Prometheus, registry: Registry, sources: Sources): Disposable {
  tellHealth(prometheus, registry, sources)
  return timeCalls(prometheus, registry)
}

/** One that goes on with an earlier version of its file does its work. */
function isUp({ status }: DriverInfo): boolean {
  return status === 'ready' || status === 'outdated'
}

function tellHealth({ Gauge }: Prometheus, registry: Registry, { engine, measures }: Sources): void {
  const registers = [registry]
  const labelNames = ['driver', 'kind', 'origin']
  new Gauge({
    name: 'tsnet_driver_up',
    help: 'Whether a driver can be used: a plugin answers, a file is loaded, the program of a CNI plugin is there',
    labelNames,
    registers,
    async collect() {
      const [programs] = await Promise.all([measures.cniPlugins(), measures.probePlugins()])
      this.reset()
      for (const info of engine.drivers.list())
        this.set({ driver: info.name, kind: info.kind, origin: info.origin }, Number(isUp(info)))
      for (const [driver, isThere] of programs)
        this.set({ driver, kind: 'network', origin: 'cni' }, Number(isThere))
    },
  })
  new Gauge({
    name: 'tsnet_driver_outdated',
    help: 'Whether the file of a driver could not be loaded as it is now, so that an earlier version goes on',
    labelNames,
    registers,
    collect() {
      this.reset()
      for (const { name: driver, kind, origin, status } of engine.drivers.list())
        if (origin === 'file') this.set({ driver, kind, origin }, Number(status === 'outdated'))
    },
  })
}

function timeCalls({ Histogram }: Prometheus, registry: Registry): Disposable {
  const calls = new Histogram({
    name: 'tsnet_driver_call_seconds',
    help: "How long calls of drivers took that are not tsnet's own, and how they ended",
    labelNames: ['driver', 'kind', 'origin', 'result'],
    buckets,
    registers: [registry],
  })
  return onDriverCall(({ seconds, ...labels }) => calls.observe(labels, seconds))
}
