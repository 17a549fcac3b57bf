import type { Volumes } from '../../engine/engine.ts'
import type { App } from '../app.ts'
import { parseFilters } from '../filters.ts'
import { flagParameter, type Query } from '../query.ts'
import { VolumeCreate, type VolumeList } from '../schema/volume.ts'
import { selectVolumes, toVolume, toVolumeSpec, volumeFilters } from '../wire/volume.ts'

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
    const selected = selectVolumes(volumes.list(), filters, ({ name }) => volumes.users(name).length > 0)
    return { Volumes: selected.map(toVolume), Warnings: null }
  })

  app.get<Named>('/volumes/:name', async (request) => toVolume(volumes.get(request.params.name)))

  app.post('/volumes/create', { schema: { body: VolumeCreate } }, async (request, reply) => {
    return reply.code(201).send(toVolume(await volumes.create(toVolumeSpec(request.body))))
  })

  app.delete<Named>('/volumes/:name', async (request, reply) => {
    await volumes.remove(request.params.name, flagParameter(request.query, 'force'))
    return reply.code(204).send()
  })
}
