import type { Driver } from '../../api/schema/driver.ts'
import { defineCommand } from '../command.ts'
import { inspectFlags, inspectObjects } from '../inspect-objects.ts'
import { driverPath } from '../paths.ts'

export const command = defineCommand({
  usage: '[OPTIONS] DRIVER [DRIVER...]',
  summary: 'Display detailed information on one or more drivers',
  flags: inspectFlags,
  arity: [1, Number.POSITIVE_INFINITY],
  async run({ client, flags: { format }, args }) {
    // A name may be that of a network driver and of a volume driver.
    const drivers = new Map<string, Driver>()
    for (const name of args) {
      const found = await client.call<readonly Driver[]>('GET', driverPath(name))
      for (const driver of found) drivers.set(`${driver.Kind} ${driver.Name}`, driver)
    }
    return inspectObjects([...drivers.keys()], format, async (key) => drivers.get(key))
  },
})
