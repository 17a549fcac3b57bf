import { driverContext } from './endpoints.ts'
import type { Parts } from './parts.ts'

/**
 * A daemon that ends while no container runs takes its rules and bridges away; the next one makes them again from the records. With a
 * running container all of them stay: it goes on.
 */
export async function leaveHost(parts: Parts): Promise<void> {
  try {
    if (!parts.store.containers.values().some(({ state }) => state.status === 'running')) await clear(parts)
    for (const driver of parts.networkDrivers()) await driver.settle?.()
  } catch (error) {
    parts.log.warn({ err: error }, 'rules or bridges stay behind')
  }
}

async function clear(parts: Parts): Promise<void> {
  await parts.firewall.clear()
  for (const network of parts.store.networks.values())
    await parts.networkDriver(network.driver).removeNetwork(driverContext(parts), network)
}
