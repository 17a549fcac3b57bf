import type { VolumesPruned } from '../../api/schema/volume.ts'
import { toggle, value } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { confirm } from '../confirm.ts'
import { printPruned } from '../pruned-volumes.ts'
import { badValue } from '../values/bad-value.ts'
import { addFilter, type Filters } from '../values/filter.ts'

export const command = defineCommand({
  usage: '[OPTIONS]',
  summary: 'Remove unused local volumes',
  flags: {
    all: toggle('Remove all unused volumes, not just anonymous ones', { short: 'a' }),
    'dry-run': toggle('Only tell what would be removed'),
    filter: value('Provide filter values (e.g. "label=<label>")', 'filter', {}, addFilter),
    force: toggle('Do not prompt for confirmation', { short: 'f' }),
    now: toggle('Remove for good, past the trash'),
  },
  arity: [0, 0],
  async run({ client, flags }) {
    const { all, 'dry-run': dryRun, force, now } = flags
    if (!force && !dryRun) {
      const which = all ? 'all local volumes' : 'anonymous local volumes'
      await confirm(
        `This will remove ${which} not used by at least one container.`,
        'volume prune has been cancelled',
      )
    }
    const query = { filters: withAll(flags.filter, all), dryRun, now }
    const pruned = await client.call<VolumesPruned>('POST', '/volumes/prune', { query })
    if (dryRun) printPruned('Would be deleted:', pruned, 'Total reclaimable space')
    else printPruned('Deleted Volumes:', pruned)
    return 0
  },
})

function withAll(filters: Filters, all: boolean): Filters {
  if (!all) return filters
  if (filters['all'] === undefined) return { ...filters, all: ['true'] }
  throw badValue('conflicting options: cannot specify both --all and --filter all=1')
}
