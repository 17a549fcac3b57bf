import type { TrashedVolume, VolumesPruned, VolumeTrashList } from '../../api/schema/volume.ts'
import { text, toggle, value } from '../argv.ts'
import type { Client } from '../client.ts'
import { defineCommand } from '../command.ts'
import { confirm } from '../confirm.ts'
import { type Columns, formatLabels, printList, shortId } from '../output.ts'
import { trashPath } from '../paths.ts'
import { formatOrigin, formatVolumeSize, printPruned } from '../pruned-volumes.ts'
import { formatAge, formatTimeTo } from '../units.ts'
import { badValue } from '../values/bad-value.ts'
import { addFilter } from '../values/filter.ts'

const columns: Columns<TrashedVolume> = {
  ID: ['VOLUME ID', ({ Id }) => shortId(Id)],
  Name: ['VOLUME NAME', ({ Name }) => Name],
  Driver: ['DRIVER', ({ Driver }) => Driver],
  Labels: ['LABELS', ({ Labels }) => formatLabels(Labels)],
  Size: ['SIZE', ({ Size }) => formatVolumeSize(Size)],
  Removed: ['REMOVED', ({ RemovedAt }) => formatAge(RemovedAt)],
  RemovedAt: ['REMOVED AT', ({ RemovedAt }) => RemovedAt],
  Goes: ['GOES IN', ({ EndsAt }) => formatTimeTo(EndsAt)],
  GoesAt: ['GOES AT', ({ EndsAt }) => EndsAt],
  Origin: ['ORIGIN', formatOrigin],
}

export const command = defineCommand({
  usage: '[OPTIONS] [VOLUME...]',
  summary: 'List removed volumes that can be restored, or remove them for good',
  flags: {
    empty: toggle('Remove all, or those that are named, for good'),
    filter: value('Provide filter values (e.g. "label=<label>")', 'filter', {}, addFilter),
    force: toggle('Do not prompt for confirmation', { short: 'f' }),
    format: text('Format output using a custom template: "table", "table TEMPLATE", "json" or a Go template'),
    quiet: toggle('Only display volume names', { short: 'q' }),
  },
  arity: [0, Number.POSITIVE_INFINITY],
  async run({ client, flags, args }) {
    if (flags.empty) return await empty(client, args, flags.force)
    if (args.length > 0) throw badValue('names go with --empty: see tsnet volume restore')
    const query = { filters: flags.filter }
    const { Volumes } = await client.call<VolumeTrashList>('GET', '/tsnet/v1/volumes/trash', { query })
    const table = '{{.Name}}\t{{.Size}}\t{{.Removed}}\t{{.Goes}}'
    const labels = ({ Labels }: TrashedVolume) => Labels
    printList({ columns, table, quiet: '{{.Name}}', labels }, Volumes, flags.format, flags.quiet)
    return 0
  },
})

async function empty(client: Client, names: readonly string[], force: boolean): Promise<number> {
  if (!force) {
    const which = names.length === 0 ? 'all volumes in the trash' : names.join(', ')
    await confirm(`This will remove ${which} for good.`, 'volume trash has been cancelled')
  }
  const paths = names.length === 0 ? ['/tsnet/v1/volumes/trash'] : names.map((name) => trashPath(name))
  const gone: VolumesPruned[] = []
  for (const path of paths) gone.push(await client.call<VolumesPruned>('DELETE', path))
  const Volumes = gone.flatMap((one) => one.Volumes)
  const SpaceReclaimed = gone.reduce((sum, one) => sum + one.SpaceReclaimed, 0)
  printPruned('Deleted Volumes:', { Volumes, SpaceReclaimed })
  return 0
}
