import type { Node, NodeList } from '../../api/schema/node.ts'
import { text, toggle, value } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { type Columns, printList } from '../output.ts'
import { compareNaturally } from '../sort.ts'
import { addFilter } from '../values/filter.ts'

const columns: Columns<Node> = {
  Name: ['NAME', ({ Name }) => Name],
  Self: ['SELF', ({ Self }) => String(Self)],
  State: ['STATE', ({ State }) => State],
  Address: ['ADDRESS', ({ Address }) => Address],
  Mtu: ['MTU', ({ Mtu }) => String(Mtu)],
  Networks: ['NETWORKS', ({ Networks }) => String(Networks ?? '-')],
  Endpoints: ['ENDPOINTS', ({ Endpoints }) => String(Endpoints ?? '-')],
  Version: ['VERSION', ({ Version }) => Version],
  JoinedAt: ['JOINED AT', ({ JoinedAt }) => JoinedAt],
}

const table =
  '{{.Name}}{{if eq .Self "true"}} *{{end}}\t{{.State}}\t{{.Address}}\t{{.Mtu}}\t{{.Networks}}\t{{.Endpoints}}\t{{.Version}}'

export const command = defineCommand({
  usage: '[OPTIONS]',
  summary: 'List the hosts of the cluster',
  flags: {
    filter: value('Provide filter values (e.g. "state=ready")', 'filter', {}, addFilter, { short: 'f' }),
    format: text('Format output using a custom template: "table", "table TEMPLATE", "json" or a Go template'),
    quiet: toggle('Only display names', { short: 'q' }),
  },
  arity: [0, 0],
  async run({ client, flags }) {
    const { Nodes } = await client.call<NodeList>('GET', '/tsnet/v1/nodes', {
      query: { filters: flags.filter },
    })
    const nodes = [...Nodes].sort((one, other) => compareNaturally(one.Name, other.Name))
    printList({ columns, table, quiet: '{{.Name}}', labels: () => ({}) }, nodes, flags.format, flags.quiet)
    return 0
  },
})
