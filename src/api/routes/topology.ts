import type { Engine } from '../../engine/engine.ts'
import type { App } from '../app.ts'
import { toTopology } from '../wire/topology.ts'

export type TopologyBackend = Pick<Engine, 'topology' | 'info'>

export function topologyRoutes(app: App, engine: TopologyBackend): void {
  app.get('/tsnet/v1/topology', async () => toTopology(engine.info().name, engine.topology()))
}
