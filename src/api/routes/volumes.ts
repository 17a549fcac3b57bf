import type { Volumes } from '../../engine/engine.ts'
import type { VolumeRecord } from '../../store/records.ts'
import type { App } from '../app.ts'
import { parseFilters } from '../filters.ts'
import { flagParameter, type Query } from '../query.ts'
import { VolumeCreate, type VolumeList, VolumeRename, VolumeUpdate } from '../schema/volume.ts'
import {
  pruneFilters,
  selectPruned,
  selectVolumes,
  toVolume,
  toVolumeSpec,
  toVolumesPruned,
  volumeFilters,
} from '../wire/volume.ts'

export interface VolumesBackend {
  readonly volumes: Volumes
}

interface Named {
  Params: { name: string }
  Querystring: Query
}

export function volumeRoutes(app: App, { volumes }: VolumesBackend): void {
  app.get<{ Querystring: Query }>('/volumes', async (request): Promise<VolumeList> => {
    const filters = parseFilters(request.query, volumeFilters)
    const users = volumes.users()
    const own = volumes.list()
    const others = volumes.others()
    const strange = new Set(others)
    // Who uses what nobody told tsnet of is not known.
    const isUsed = (volume: VolumeRecord): boolean => users.has(volume.name) || strange.has(volume)
    const selected = selectVolumes([...own, ...others], filters, isUsed)
    return { Volumes: selected.map((volume) => toVolume(volume)), Warnings: null }
  })

  app.get<Named>('/volumes/:name', async ({ params: { name } }) => {
    const other = volumes.others().find((volume) => volume.name === name)
    if (other !== undefined) return toVolume(other)
    const quota = await volumes.quota(name)
    return toVolume(volumes.get(name), quota, volumes.status(name))
  })

  app.post('/volumes/create', { schema: { body: VolumeCreate } }, async (request, reply) => {
    const isProtected = request.body.Protected === true
    return reply.code(201).send(toVolume(await volumes.create(toVolumeSpec(request.body), isProtected)))
  })

  app.delete<Named>('/volumes/:name', async (request, reply) => {
    await volumes.remove(request.params.name, {
      force: flagParameter(request.query, 'force'),
      now: flagParameter(request.query, 'now'),
    })
    return reply.code(204).send()
  })

  app.post<{ Querystring: Query }>('/volumes/prune', async (request) => {
    const selected = selectPruned(parseFilters(request.query, pruneFilters), request.apiVersion)
    const pruned = await volumes.prune(selected, {
      dryRun: flagParameter(request.query, 'dryRun'),
      now: flagParameter(request.query, 'now'),
    })
    return toVolumesPruned(pruned)
  })

  app.post('/tsnet/v1/volumes/:name/update', { schema: { body: VolumeUpdate } }, async (request) => {
    const { name } = request.params as { name: string }
    const { LabelsAdd, LabelsRemove, Protected, Size } = request.body
    const volume = await volumes.update(name, {
      labelsAdd: LabelsAdd ?? {},
      labelsRemove: LabelsRemove ?? [],
      protected: Protected ?? null,
      size: Size ?? '',
    })
    return toVolume(volume)
  })

  app.post('/tsnet/v1/volumes/:name/rename', { schema: { body: VolumeRename } }, async (request) => {
    const { name } = request.params as { name: string }
    return toVolume(await volumes.rename(name, request.body.Name ?? ''))
  })
}
