import type { Volume } from '../../api/schema/volume.ts'
import { text, toggle, value } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { type Columns, formatLabels, printList } from '../output.ts'
import { formatOrigin } from '../pruned-volumes.ts'
import { compareNaturally } from '../sort.ts'
import { addFilter } from '../values/filter.ts'

const columns: Columns<Volume> = {
  Name: ['VOLUME NAME', ({ Name }) => Name],
  Driver: ['DRIVER', ({ Driver }) => Driver],
  Scope: ['SCOPE', ({ Scope }) => Scope],
  Mountpoint: ['MOUNTPOINT', ({ Mountpoint }) => Mountpoint],
  Labels: ['LABELS', ({ Labels }) => formatLabels(Labels)],
  // Only a disk usage report knows these two, and Docker's list says so in the same way.
  Links: ['LINKS', () => 'N/A'],
  Size: ['SIZE', () => 'N/A'],
  Origin: ['ORIGIN', formatOrigin],
  Protected: ['PROTECTED', ({ Protected }) => String(Protected === true)],
}

export const command = defineCommand({
  usage: '[OPTIONS]',
  summary: 'List volumes',
  flags: {
    filter: value('Provide filter values (e.g. "dangling=true")', 'filter', {}, addFilter, { short: 'f' }),
    format: text('Format output using a custom template: "table", "table TEMPLATE", "json" or a Go template'),
    quiet: toggle('Only display volume names', { short: 'q' }),
  },
  arity: [0, 0],
  async run({ client, flags }) {
    const { Volumes } = await client.call<{ Volumes: Volume[] | null }>('GET', '/volumes', {
      query: { filters: flags.filter },
    })
    const volumes = (Volumes ?? []).sort((one, other) => compareNaturally(one.Name, other.Name))
    const labels = ({ Labels }: Volume) => Labels
    const origin = volumes.some(({ Origin }) => Origin !== undefined) ? '\t{{.Origin}}' : ''
    printList(
      { columns, table: `{{.Driver}}\t{{.Name}}${origin}`, quiet: '{{.Name}}', labels },
      volumes,
      flags.format,
      flags.quiet,
    )
    return 0
  },
})
