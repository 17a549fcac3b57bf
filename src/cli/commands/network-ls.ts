import { text, toggle, value } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { formatMoment } from '../list-time.ts'
import { type Columns, formatLabels, printList, shortId } from '../output.ts'
import { compareNaturally } from '../sort.ts'
import { addFilter } from '../values/filter.ts'

interface Network {
  readonly Id: string
  readonly Name: string
  readonly Driver: string
  readonly Scope: string
  readonly Created: string
  readonly EnableIPv4?: boolean
  readonly EnableIPv6: boolean
  readonly Internal: boolean
  readonly Labels: Readonly<Record<string, string>> | null
}

export const command = defineCommand({
  usage: '[OPTIONS]',
  summary: 'List networks',
  flags: {
    filter: value('Provide filter values (e.g. "driver=bridge")', 'filter', {}, addFilter, { short: 'f' }),
    format: text('Format output using a custom template: "table", "table TEMPLATE", "json" or a Go template'),
    'no-trunc': toggle('Do not truncate the output'),
    quiet: toggle('Only display network IDs', { short: 'q' }),
  },
  arity: [0, 0],
  async run({ client, flags }) {
    const networks = await client.call<Network[]>('GET', '/networks', { query: { filters: flags.filter } })
    const listing = {
      columns: networkColumns(!flags['no-trunc']),
      table: '{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}',
      quiet: '{{.ID}}',
      labels: ({ Labels }: Network) => Labels,
    }
    networks.sort((one, other) => compareNaturally(one.Name, other.Name))
    printList(listing, networks, flags.format, flags.quiet)
    return 0
  },
})

function networkColumns(isShort: boolean): Columns<Network> {
  return {
    ID: ['NETWORK ID', ({ Id }) => (isShort ? shortId(Id) : Id)],
    Name: ['NAME', ({ Name }) => Name],
    Driver: ['DRIVER', ({ Driver }) => Driver],
    Scope: ['SCOPE', ({ Scope }) => Scope],
    IPv4: ['IPV4', ({ EnableIPv4 }) => String(EnableIPv4 ?? true)],
    IPv6: ['IPV6', ({ EnableIPv6 }) => String(EnableIPv6)],
    Internal: ['INTERNAL', ({ Internal }) => String(Internal)],
    Labels: ['LABELS', ({ Labels }) => formatLabels(Labels)],
    CreatedAt: ['CREATED AT', ({ Created }) => formatMoment(Created)],
  }
}
