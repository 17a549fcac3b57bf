/** tsnet's own: volumes that were removed and can come back. */
import type { Volumes } from '../../engine/engine.ts'
import type { App } from '../app.ts'
import { parseFilters } from '../filters.ts'
import { type Query, textParameter } from '../query.ts'
import type { VolumeTrashList } from '../schema/volume.ts'
import { selectTrashed, toTrashedVolume, toVolume, toVolumesPruned, trashFilters } from '../wire/volume.ts'

export interface VolumeTrashBackend {
  readonly volumes: Pick<Volumes, 'trash'>
}

interface Named {
  Params: { name: string }
  Querystring: Query
}

export function volumeTrashRoutes(app: App, { volumes: { trash } }: VolumeTrashBackend): void {
  app.get<{ Querystring: Query }>('/tsnet/v1/volumes/trash', async (request): Promise<VolumeTrashList> => {
    const selected = selectTrashed(trash.list(), parseFilters(request.query, trashFilters))
    return { Volumes: selected.map((record) => toTrashedVolume(record, trash.endsAt(record))) }
  })

  app.post<Named>('/tsnet/v1/volumes/trash/:name/restore', async (request) =>
    toVolume(await trash.restore(request.params.name, textParameter(request.query, 'as'))),
  )

  app.delete('/tsnet/v1/volumes/trash', async () => toVolumesPruned(await trash.empty()))

  app.delete<Named>('/tsnet/v1/volumes/trash/:name', async (request) =>
    toVolumesPruned([await trash.remove(request.params.name)]),
  )
}
