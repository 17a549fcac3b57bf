/** Drivers that reach other hosts themselves, which Docker plugins may be, hear which hosts the cluster has. */
import type { NodeRecord } from '../cluster/cluster.ts'
import type { NetworkDriver } from '../drivers/driver.ts'
import { driverContext } from './driver-context.ts'
import type { Parts } from './parts.ts'

/** From now on, of hosts as they come and go. */
export function discoverHosts(parts: Parts): void {
  parts.cluster?.state.nodes.subscribe((changes) => {
    for (const driver of parts.networkDrivers()) {
      for (const { before, value } of changes) {
        if (before !== undefined && before.address !== value?.address) tell(parts, driver, before, false)
        if (value !== undefined && before?.address !== value.address) tell(parts, driver, value, true)
      }
    }
  })
}

/** One that has just come hears of all that there are. */
export function introduceHosts(parts: Parts, name: string): void {
  const driver = parts.networkDrivers().find((one) => one.name === name)
  if (driver === undefined || parts.cluster === null) return
  for (const node of parts.cluster.state.nodes.values.values()) tell(parts, driver, node, true)
}

/** Nobody waits for it. */
function tell(parts: Parts, driver: NetworkDriver, node: NodeRecord, isThere: boolean): void {
  const host = { address: node.address, isSelf: node.name === parts.cluster?.state.self.name }
  driver.discover?.(driverContext(parts), host, isThere).catch((error: unknown) => {
    parts.log.warn(
      { err: error, driver: driver.name, host: node.name },
      'a driver could not be told of a host',
    )
  })
}
