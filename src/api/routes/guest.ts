/** tsnet's own: tsnet as a plugin of another engine. */
import { TsnetError } from '../../errors.ts'
import type { PublishedPort } from '../../store/records.ts'
import type { App } from '../app.ts'
import { type GuestNetworkList, GuestServe, type GuestStatus } from '../schema/guest.ts'
import { toPortRanges } from '../wire/ports.ts'

interface Status {
  readonly socketDirectory: string
  readonly name: string
  readonly plugins: readonly { readonly name: string; readonly kinds: readonly string[] }[]
}

interface Network {
  readonly id: string
  readonly driver: string
  readonly subnets: readonly string[]
  readonly endpoints: readonly {
    readonly id: string
    readonly address4: string
    readonly address6: string
    readonly published: readonly PublishedPort[]
  }[]
}

export interface GuestBackend {
  serve(settings: Pick<Status, 'socketDirectory' | 'name'>): Promise<Status>
  stop(): Promise<void>
  /** Null when nothing is served. */
  status(): Status | null
  /** Those of the other engine, whether or not anything is served. */
  networks(): readonly Network[]
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

  app.get(
    '/tsnet/v1/plugin/networks',
    async (): Promise<GuestNetworkList> => ({ Networks: guest.networks().map(toNetwork) }),
  )

  app.delete('/tsnet/v1/plugin', async (_, reply) => {
    await guest.stop()
    return reply.code(204).send()
  })
}

function toNetwork({ id, driver, subnets, endpoints }: Network): GuestNetworkList['Networks'][number] {
  return {
    Id: id,
    Driver: driver,
    Subnets: subnets,
    Endpoints: endpoints.map((endpoint) => ({
      Id: endpoint.id,
      Addresses: [endpoint.address4, endpoint.address6].filter((address) => address !== ''),
      Ports: toPortRanges(endpoint.published, []),
    })),
  }
}

function toStatus({ socketDirectory, name, plugins }: Status): GuestStatus {
  return {
    SocketDirectory: socketDirectory,
    Name: name,
    Plugins: plugins.map((plugin) => ({ Name: plugin.name, Kinds: plugin.kinds })),
  }
}
