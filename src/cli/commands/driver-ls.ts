import type { Driver, DriverList } from '../../api/schema/driver.ts'
import { text, toggle } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { type Columns, printList } from '../output.ts'
import { compareNaturally } from '../sort.ts'

const columns: Columns<Driver> = {
  Name: ['DRIVER', ({ Name }) => Name],
  Kind: ['KIND', ({ Kind }) => Kind],
  Origin: ['ORIGIN', ({ Origin, Path }) => Path || Origin],
  Status: ['STATUS', ({ Status }) => Status],
  Users: ['USERS', ({ Users }) => String(Users)],
  Capabilities: ['CAPABILITIES', ({ Capabilities }) => describe(Capabilities)],
  Description: ['DESCRIPTION', ({ Description }) => Description],
  Error: ['ERROR', ({ Error: error }) => error.split('\n', 1)[0] ?? ''],
}

/** `scope=local ports=engine` */
function describe(capabilities: Driver['Capabilities']): string {
  return Object.entries(capabilities)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')
}

export const command = defineCommand({
  usage: '[OPTIONS]',
  summary: 'List drivers of networks, addresses and volumes',
  flags: {
    format: text('Format output using a custom template: "table", "table TEMPLATE", "json" or a Go template'),
    quiet: toggle('Only display names', { short: 'q' }),
  },
  arity: [0, 0],
  async run({ client, flags }) {
    const { Drivers } = await client.call<DriverList>('GET', '/tsnet/v1/drivers')
    const drivers = [...Drivers].sort(
      (one, other) => compareNaturally(one.Kind, other.Kind) || compareNaturally(one.Name, other.Name),
    )
    const errors = drivers.some(({ Error: error }) => error !== '') ? '\t{{.Error}}' : ''
    const table = `{{.Kind}}\t{{.Name}}\t{{.Status}}\t{{.Users}}\t{{.Capabilities}}\t{{.Origin}}${errors}`
    printList({ columns, table, quiet: '{{.Name}}', labels: () => ({}) }, drivers, flags.format, flags.quiet)
    return 0
  },
})
