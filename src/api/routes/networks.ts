import type { Hosts, Networks } from '../../engine/engine.ts'
import { noSuchNetwork } from '../../engine/references.ts'
import type { NetworkRecord } from '../../store/records.ts'
import type { App } from '../app.ts'
import { parseFilters } from '../filters.ts'
import { flagParameter, type Query, textParameter } from '../query.ts'
import {
  NetworkConnect,
  NetworkCreate,
  type NetworkCreated,
  NetworkDisconnect,
  type NetworkInspect,
  type NetworksPruned,
  NetworkUpdate,
} from '../schema/network.ts'
import { newestVersion } from '../version.ts'
import { toEndpointRequest } from '../wire/endpoints.ts'
import {
  networkFilters,
  pruneFilters,
  selectNetworks,
  selectPruned,
  toNetworkInspect,
  toNetworkStatus,
  toNetworkWish,
  toPeers,
} from '../wire/network.ts'
import { toVerified } from '../wire/verification.ts'

export interface NetworksBackend {
  readonly networks: Networks
  readonly hosts: Pick<Hosts, 'peers' | 'verify'>
}

export function networkRoutes(app: App, { networks, hosts }: NetworksBackend): void {
  const describe = (network: NetworkRecord, withUsers: boolean): NetworkInspect =>
    toNetworkInspect(
      { ...network, options: networks.options(network.id) },
      withUsers ? networks.endpoints(network.id) : [],
    )
  const list = (query: Query, apiVersion: number): NetworkInspect[] => {
    const isUsed = ({ id }: NetworkRecord): boolean => networks.endpoints(id).length > 0
    const selected = selectNetworks(networks.list(), parseFilters(query, networkFilters), isUsed)
    // Since 1.28 a list leaves out who is connected.
    return selected.map((network) => describe(network, apiVersion < 28))
  }
  app.get<{ Querystring: Query }>('/networks', async (request) => list(request.query, request.apiVersion))
  app.get<{ Querystring: Query }>('/networks/', async (request) => list(request.query, request.apiVersion))

  app.get<{ Params: { name: string }; Querystring: Query }>('/networks/:name', async (request) => {
    const network = networks.get(request.params.name)
    const peers = flagParameter(request.query, 'verbose') ? await hosts.peers(network.id) : null
    const scope = textParameter(request.query, 'scope')
    const inspected = { ...describe(network, true), ...(peers !== null && toPeers(peers)) }
    if (scope !== '' && scope !== inspected.Scope) throw noSuchNetwork(request.params.name)
    // Docker's own 1.50 has no status yet; older clients print no more than they know.
    return request.apiVersion < newestVersion
      ? inspected
      : { ...inspected, Status: toNetworkStatus(networks.usage(network.id)) }
  })

  app.post('/networks/create', { schema: { body: NetworkCreate } }, async (request, reply) => {
    const { network, warnings } = await networks.create(toNetworkWish(request.body, request.apiVersion))
    const answer: NetworkCreated = { Id: network.id, Warning: warnings.join('; ') }
    return reply.code(201).send(answer)
  })

  app.post('/networks/:name/connect', { schema: { body: NetworkConnect } }, async (request, reply) => {
    const { name } = request.params as { name: string }
    const { Container: container, EndpointConfig: settings } = request.body
    await networks.connect(name, container ?? '', toEndpointRequest(settings ?? null))
    return reply.code(200).send()
  })

  app.post('/networks/:name/disconnect', { schema: { body: NetworkDisconnect } }, async (request, reply) => {
    const { name } = request.params as { name: string }
    const { Container: container, Force: force } = request.body
    await networks.disconnect(name, container ?? '', force === true)
    return reply.code(200).send()
  })

  app.post<{ Querystring: Query }>('/networks/prune', async (request) => {
    const removed = await networks.prune(selectPruned(parseFilters(request.query, pruneFilters), Date.now()))
    const answer: NetworksPruned = { NetworksDeleted: removed.length > 0 ? removed : null }
    return answer
  })

  app.post('/tsnet/v1/networks/:name/update', { schema: { body: NetworkUpdate } }, async (request) => {
    const { name } = request.params as { name: string }
    const { LabelsAdd, LabelsRemove, DnsAdd, DnsRemove } = request.body
    const network = await networks.update(name, {
      labelsAdd: LabelsAdd ?? {},
      labelsRemove: LabelsRemove ?? [],
      dnsAdd: DnsAdd ?? [],
      dnsRemove: DnsRemove ?? [],
    })
    return describe(network, true)
  })

  app.post<{ Params: { name: string } }>('/tsnet/v1/networks/:name/verify', async (request) =>
    toVerified(await hosts.verify(request.params.name)),
  )

  app.delete<{ Params: { name: string } }>('/networks/:name', async (request, reply) => {
    await networks.remove(request.params.name)
    return reply.code(204).send()
  })
}
