/** tsnet's own: the hosts of the cluster. */
import type { Engine, HostInfo } from '../../engine/engine.ts'
import type { App } from '../app.ts'
import { matchesAny, matchesName, parseFilters } from '../filters.ts'
import type { Query } from '../query.ts'
import type { Node, NodeList } from '../schema/node.ts'

export type NodesBackend = Pick<Engine, 'hosts'>

export function nodeRoutes(app: App, { hosts }: NodesBackend): void {
  app.get<{ Querystring: Query }>('/tsnet/v1/nodes', async (request): Promise<NodeList> => {
    const filters = parseFilters(request.query, ['name', 'state'])
    const nodes = (await hosts.list()).filter(
      ({ name, state }) =>
        matchesName(filters, 'name', name) && matchesAny(filters, 'state', (wanted) => wanted === state),
    )
    return { Nodes: nodes.map(toNode) }
  })
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
