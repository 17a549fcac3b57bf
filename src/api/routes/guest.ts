/** tsnet's own: tsnet as a plugin of another engine. */
import { TsnetError } from '../../errors.ts'
import type { App } from '../app.ts'
import { GuestServe, type GuestStatus } from '../schema/guest.ts'

interface Status {
  readonly socketDirectory: string
  readonly name: string
  readonly plugins: readonly { readonly name: string; readonly kinds: readonly string[] }[]
}

export interface GuestBackend {
  serve(settings: Pick<Status, 'socketDirectory' | 'name'>): Promise<Status>
  stop(): Promise<void>
  /** Null when nothing is served. */
  status(): Status | null
}

/** Where dockerd looks for sockets of plugins, and what tsnet is called there. */
const defaults = { socketDirectory: '/run/docker/plugins', name: 'tsnet' }

export function guestRoutes(app: App, guest: GuestBackend): void {
  app.put('/tsnet/v1/plugin', { schema: { body: GuestServe } }, async ({ body }) =>
    toStatus(
      await guest.serve({
        socketDirectory: body.SocketDirectory || defaults.socketDirectory,
        name: body.Name || defaults.name,
      }),
    ),
  )

  app.get('/tsnet/v1/plugin', async () => {
    const status = guest.status()
    if (status !== null) return toStatus(status)
    throw new TsnetError(
      'not-found',
      'no-plugin',
      'tsnet is no plugin of another engine: see tsnet plugin serve',
    )
  })

  app.delete('/tsnet/v1/plugin', async (_, reply) => {
    await guest.stop()
    return reply.code(204).send()
  })
}

function toStatus({ socketDirectory, name, plugins }: Status): GuestStatus {
  return {
    SocketDirectory: socketDirectory,
    Name: name,
    Plugins: plugins.map((plugin) => ({ Name: plugin.name, Kinds: plugin.kinds })),
  }
}
