import type { GuestNetworkList } from '../../api/schema/guest.ts'
import { text, toggle } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { formatPorts } from '../list-ports.ts'
import { type Columns, printList } from '../output.ts'

/** An endpoint of dockerd's; an empty one stands for a network that has none. */
interface Row {
  readonly network: string
  readonly driver: string
  readonly subnets: string
  readonly endpoint: string
  readonly addresses: string
  readonly ports: string
}

const short = (id: string): string => id.slice(0, 12)

const columns: Columns<Row> = {
  Network: ['NETWORK ID', ({ network }) => network],
  Driver: ['DRIVER', ({ driver }) => driver],
  Subnets: ['SUBNETS', ({ subnets }) => subnets],
  Endpoint: ['ENDPOINT ID', ({ endpoint }) => endpoint],
  Addresses: ['ADDRESSES', ({ addresses }) => addresses],
  Ports: ['PORTS', ({ ports }) => ports],
}

function rowsOf({ Id, Driver, Subnets, Endpoints }: GuestNetworkList['Networks'][number]): Row[] {
  const network = { network: short(Id), driver: Driver, subnets: Subnets.join(', ') }
  if (Endpoints.length === 0) return [{ ...network, endpoint: '', addresses: '', ports: '' }]
  return Endpoints.map((endpoint) => ({
    ...network,
    endpoint: short(endpoint.Id),
    addresses: endpoint.Addresses.join(', '),
    ports: formatPorts(endpoint.Ports),
  }))
}

export const command = defineCommand({
  usage: '[OPTIONS]',
  summary: "List dockerd's networks and endpoints on tsnet's drivers, with published ports",
  flags: {
    format: text('Format output using a custom template: "table", "table TEMPLATE", "json" or a Go template'),
    quiet: toggle('Only display the ids of networks', { short: 'q' }),
  },
  arity: [0, 0],
  async run({ client, flags }) {
    const { Networks } = await client.call<GuestNetworkList>('GET', '/tsnet/v1/plugin/networks')
    const table = '{{.Network}}\t{{.Driver}}\t{{.Subnets}}\t{{.Endpoint}}\t{{.Addresses}}\t{{.Ports}}'
    const listing = { columns, table, quiet: '{{.Network}}', labels: () => ({}) }
    printList(listing, Networks.flatMap(rowsOf), flags.format, flags.quiet)
    return 0
  },
})
