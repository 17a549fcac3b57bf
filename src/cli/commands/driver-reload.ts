import type { DriverList } from '../../api/schema/driver.ts'
import { defineCommand, print, printError } from '../command.ts'

export const command = defineCommand({
  usage: '',
  summary: 'Load drivers in files again, as they are now',
  flags: {},
  arity: [0, 0],
  async run({ client }) {
    const { Drivers } = await client.call<DriverList>('POST', '/tsnet/v1/drivers/reload')
    for (const { Name, Status, Error: error } of Drivers) {
      if (Status === 'ready') print(Name)
      else printError(`${Name}: ${Status}: ${error}`)
    }
    return Drivers.every(({ Status }) => Status === 'ready') ? 0 : 1
  },
})
