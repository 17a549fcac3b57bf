/** tsnet's own: a container goes to another host of the cluster. */
import type { Containers } from '../../engine/engine.ts'
import { TsnetError } from '../../errors.ts'
import type { App } from '../app.ts'
import { ContainerMove, type ContainerMoved } from '../schema/container-move.ts'
import { sendMessages } from '../stream.ts'

export interface ContainerMoveBackend {
  readonly containers: Pick<Containers, 'move'>
}

export function containerMoveRoutes(app: App, { containers }: ContainerMoveBackend): void {
  app.post('/tsnet/v1/containers/:name/move', { schema: { body: ContainerMove } }, async (request, reply) => {
    const { name } = request.params as { name: string }
    const { To: host } = request.body
    if (host === '')
      throw new TsnetError(
        'invalid',
        'bad-parameter',
        'no host to move to: give the name of one, as in tsnet node ls',
      )
    return sendMessages(reply, async (send, signal) => {
      const sent = (what: string, bytes: number): void =>
        send({ id: what, status: 'Sending', progressDetail: { current: bytes } })
      const { container, error } = await containers.move(name, host, { sent, signal })
      const moved: ContainerMoved = { Id: container.id, Name: container.name, Error: error }
      send({ aux: moved })
    })
  })
}
