/** tsnet's own: the hosts of the cluster. */
import type { Engine, HostInfo } from '../../engine/engine.ts'
import type { App } from '../app.ts'
import type { Node, NodeList } from '../schema/node.ts'

export type NodesBackend = Pick<Engine, 'hosts'>

export function nodeRoutes(app: App, { hosts }: NodesBackend): void {
  app.get('/tsnet/v1/nodes', async (): Promise<NodeList> => ({ Nodes: (await hosts.list()).map(toNode) }))
}

function toNode({ name, isThis, state, address, mtu, version, joinedAt, usage }: HostInfo): Node {
  return {
    Name: name,
    Self: isThis,
    State: state,
    Address: address,
    Mtu: mtu,
    Version: version,
    JoinedAt: joinedAt,
    Networks: usage?.networks ?? null,
    Endpoints: usage?.endpoints ?? null,
  }
}
