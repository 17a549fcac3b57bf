/** tsnet's own: copies of volumes. Those that take long answer with Docker's stream of JSON messages; the last one's `aux` is the result. */
import type { FastifyReply } from 'fastify'
import type { CopyWatch, Volumes } from '../../engine/engine.ts'
import type { App } from '../app.ts'
import {
  VolumeClone,
  VolumeRollback,
  type VolumeRolledBack,
  VolumeSnapshotCreate,
  type VolumeSnapshotList,
} from '../schema/volume.ts'
import { sendMessages } from '../stream.ts'
import { toVolume } from '../wire/volume.ts'
import { toVolumeClone, toVolumeSnapshot } from '../wire/volume-snapshot.ts'

export interface VolumeSnapshotsBackend {
  readonly volumes: Pick<Volumes, 'clone' | 'snapshots'>
}

interface Named {
  Params: { name: string }
}

export function volumeSnapshotRoutes(app: App, { volumes }: VolumeSnapshotsBackend): void {
  const { snapshots } = volumes

  app.post('/tsnet/v1/volumes/:name/clone', { schema: { body: VolumeClone } }, (request, reply) => {
    const { name } = request.params as Named['Params']
    const wanted = toVolumeClone(request.body)
    return sendCopy(reply, name, async (watch) => toVolume(await volumes.clone(name, wanted, watch)))
  })

  app.get<Named>('/tsnet/v1/volumes/:name/snapshots', async (request): Promise<VolumeSnapshotList> => {
    return { Snapshots: snapshots.list(request.params.name).map(toVolumeSnapshot) }
  })

  app.post(
    '/tsnet/v1/volumes/:name/snapshots',
    { schema: { body: VolumeSnapshotCreate } },
    (request, reply) => {
      const { name } = request.params as Named['Params']
      const wanted = { name: request.body.Name ?? '', pause: request.body.Pause === true }
      return sendCopy(reply, name, async (watch) =>
        toVolumeSnapshot(await snapshots.create(name, wanted, watch)),
      )
    },
  )

  app.delete<{ Params: { name: string; snapshot: string } }>(
    '/tsnet/v1/volumes/:name/snapshots/:snapshot',
    async (request, reply) => {
      await snapshots.remove(request.params.name, request.params.snapshot)
      return reply.code(204).send()
    },
  )

  app.post('/tsnet/v1/volumes/:name/rollback', { schema: { body: VolumeRollback } }, (request, reply) => {
    const { name } = request.params as Named['Params']
    const { Snapshot, Now } = request.body
    return sendCopy(reply, name, async (watch): Promise<VolumeRolledBack> => {
      const kept = await snapshots.rollback(name, Snapshot ?? '', { now: Now === true }, watch)
      return { Kept: kept && toVolumeSnapshot(kept) }
    })
  })
}

/** Tells how far the copy is, then what came of it. */
function sendCopy(
  reply: FastifyReply,
  id: string,
  copy: (watch: CopyWatch) => Promise<unknown>,
): Promise<FastifyReply> {
  return sendMessages(reply, async (send, signal) => {
    const progress = (current: number, total: number): void => {
      if (current > 0) send({ id, status: 'Copying', progressDetail: { current, total } })
    }
    send({ aux: await copy({ progress, signal }) })
  })
}
