import { isActive } from './active-networks.ts'
import { driverContext } from './driver-context.ts'
import type { Parts } from './parts.ts'

/**
 * A daemon that ends while no container runs takes its rules and bridges away; the next one makes them again from the records. With a
 * running container, or networks or pods of another engine, all of them stay: these go on.
 */
export async function leaveHost(parts: Parts): Promise<void> {
  try {
    const { containers, guestNetworks, pods } = parts.store
    const isUsed = containers.values().some(({ state }) => state.status === 'running')
    if (!isUsed && guestNetworks.size === 0 && pods.size === 0) await clear(parts)
    for (const driver of parts.networkDrivers()) await driver.settle?.()
  } catch (error) {
    parts.log.warn({ err: error }, 'rules or bridges stay behind')
  }
}

async function clear(parts: Parts): Promise<void> {
  await parts.firewall.clear()
  for (const network of parts.store.networks.values().filter((one) => isActive(parts, one)))
    await parts.networkDriver(network.driver).removeNetwork(driverContext(parts), network)
}
