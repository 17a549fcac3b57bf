import type { VolumeSnapshot, VolumeSnapshotList } from '../../api/schema/volume.ts'
import { text, toggle } from '../argv.ts'
import { defineCommand } from '../command.ts'
import { forEach } from '../each.ts'
import { type Columns, printList, shortId } from '../output.ts'
import { ownVolumePath } from '../paths.ts'
import { formatAge, formatSize } from '../units.ts'
import { badValue } from '../values/bad-value.ts'

const columns: Columns<VolumeSnapshot> = {
  ID: ['SNAPSHOT ID', ({ Id }) => shortId(Id)],
  Name: ['SNAPSHOT', ({ Name }) => Name],
  Created: ['CREATED', ({ CreatedAt }) => formatAge(CreatedAt)],
  CreatedAt: ['CREATED AT', ({ CreatedAt }) => CreatedAt],
  Size: ['SIZE', ({ Size }) => formatSize(Size, 3)],
}

export const command = defineCommand({
  usage: '[OPTIONS] VOLUME [SNAPSHOT...]',
  summary: "List a volume's snapshots, the oldest first, or remove some",
  flags: {
    format: text('Format output using a custom template: "table", "table TEMPLATE", "json" or a Go template'),
    quiet: toggle('Only display names', { short: 'q' }),
    rm: toggle('Remove those that are named'),
  },
  arity: [1, Number.POSITIVE_INFINITY],
  async run({ client, flags, args: [volume, ...names] }) {
    const path = ownVolumePath(volume!, 'snapshots')
    if (flags.rm !== names.length > 0) throw badValue('--rm and names of snapshots go together')
    if (flags.rm) {
      const remove = (name: string) => client.call('DELETE', `${path}/${encodeURIComponent(name)}`)
      return await forEach(names, remove, { inTurn: true })
    }
    const { Snapshots } = await client.call<VolumeSnapshotList>('GET', path)
    const table = '{{.Name}}\t{{.Size}}\t{{.Created}}'
    printList(
      { columns, table, quiet: '{{.Name}}', labels: () => null },
      Snapshots,
      flags.format,
      flags.quiet,
    )
    return 0
  },
})
