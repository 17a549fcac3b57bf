/** The Docker Engine API over an engine. */
import type { Engine } from '../engine/engine.ts'
import type { Logger } from '../log.ts'
import { createApp } from './app.ts'
import { type ListenAddress, type Listener, listenOn } from './listen.ts'
import { containerMoveRoutes } from './routes/container-move.ts'
import { containerStreamRoutes } from './routes/container-streams.ts'
import { containerRoutes } from './routes/containers.ts'
import { driverRoutes } from './routes/drivers.ts'
import { execRoutes } from './routes/exec.ts'
import { type GuestBackend, guestRoutes } from './routes/guest.ts'
import { imageRoutes } from './routes/images.ts'
import { networkRoutes } from './routes/networks.ts'
import { nodeRoutes } from './routes/nodes.ts'
import { type PodBackend, podRoutes } from './routes/pods.ts'
import { systemRoutes } from './routes/system.ts'
import { topologyRoutes } from './routes/topology.ts'
import { unsupportedRoutes } from './routes/unsupported.ts'
import { volumeArchiveRoutes } from './routes/volume-archives.ts'
import { volumeSnapshotRoutes } from './routes/volume-snapshots.ts'
import { volumeTrashRoutes } from './routes/volume-trash.ts'
import { volumeRoutes } from './routes/volumes.ts'

export interface ApiServer {
  /** Serves on one more address; returns its URL. Throws kind 'conflict' when it is taken. */
  listen(address: ListenAddress): Promise<string>
  /** Stops listening everywhere and cuts all connections. */
  close(): Promise<void>
}

export interface ApiOptions {
  readonly engine: Engine
  /** tsnet as a plugin of another engine. */
  readonly guest?: GuestBackend
  /** tsnet as a CNI plugin of other runtimes. */
  readonly pods?: PodBackend
  readonly log: Logger
  /** tsnet's own version, without v */
  readonly version: string
}

export function createApiServer(options: ApiOptions): ApiServer {
  const app = createApiApp(options)
  const listeners: Listener[] = []
  return {
    async listen(address) {
      await app.ready()
      const listener = await listenOn(address, app.routing)
      listeners.push(listener)
      return listener.url
    },
    async close() {
      await Promise.all(listeners.splice(0).map((listener) => listener.close()))
      await app.close()
    },
  }
}

/** All routes, not yet listening. */
export function createApiApp({ engine, guest, pods, log, version }: ApiOptions) {
  const app = createApp(log, version)
  systemRoutes(app, engine, version)
  containerRoutes(app, engine)
  containerMoveRoutes(app, engine)
  containerStreamRoutes(app, engine)
  execRoutes(app, engine)
  networkRoutes(app, engine)
  topologyRoutes(app, engine)
  volumeRoutes(app, engine)
  volumeSnapshotRoutes(app, engine)
  volumeTrashRoutes(app, engine)
  volumeArchiveRoutes(app, engine)
  imageRoutes(app, engine)
  driverRoutes(app, engine)
  nodeRoutes(app, engine)
  if (guest !== undefined) guestRoutes(app, guest)
  if (pods !== undefined) podRoutes(app, pods)
  unsupportedRoutes(app)
  return app
}
