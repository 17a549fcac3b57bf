/** How a container of another host is on this one, and why it cannot be. */
import { TsnetError } from '../../errors.ts'
import type { ContainerRecord, EndpointRecord, NetworkRecord } from '../../store/records.ts'
import type { Parts } from '../parts.ts'
import { checkRequest } from '../plan.ts'
import { wantedPorts } from '../published.ts'
import { clusterOf, isShared } from '../shared-networks.ts'
import type { Manifest } from './messages.ts'

/** This host's network for one of the other's: the same where it is the cluster's, else the one of that name. */
function counterpart({ store }: Parts, network: NetworkRecord): NetworkRecord | undefined {
  if (isShared(network)) return store.networks.get(network.id)
  return store.networks.values().find(({ name, ...one }) => name === network.name && !isShared(one))
}

/** Addresses of a network that is one host's alone stay there. Networks that are missing are left out. */
export function settleIn(
  parts: Parts,
  container: ContainerRecord,
  networks: readonly NetworkRecord[],
): ContainerRecord {
  const own = new Map(networks.map((network) => [network.id as string, counterpart(parts, network)]))
  const nameOf = (ref: string): string => own.get(ref)?.name ?? ref
  const endpoints = container.endpoints.flatMap((endpoint) => {
    const network = own.get(endpoint.network)
    if (network === undefined) return []
    return [
      network.id === endpoint.network ? endpoint : withoutAddresses({ ...endpoint, network: network.id }),
    ]
  })
  const { spec } = container
  return {
    ...container,
    spec: {
      ...spec,
      networkMode: nameOf(spec.networkMode),
      endpoints: Object.fromEntries(Object.entries(spec.endpoints).map(([ref, one]) => [nameOf(ref), one])),
    },
    endpoints,
    mounts: container.mounts.map((mount) => {
      const volume = mount.type === 'volume' ? parts.store.volumes.get(mount.name) : undefined
      return volume === undefined ? mount : { ...mount, source: volume.mountpoint }
    }),
    published: [],
    state: { ...container.state, pid: 0, status: container.state.startedAt === '' ? 'created' : 'exited' },
  }
}

function withoutAddresses({
  routes: _routes,
  dns: _dns,
  info: _info,
  ...endpoint
}: EndpointRecord): EndpointRecord {
  return { ...endpoint, mac: '', address4: '', address6: '', gateway4: '', gateway6: '' }
}

/** Empty when it can come. */
export async function reasonsAgainst(parts: Parts, manifest: Manifest): Promise<string[]> {
  const { container, architecture, networks, volumes, from } = manifest
  const { store } = parts
  const here = clusterOf(parts).state.self.name
  const missing = networks.filter((network) => counterpart(parts, network) === undefined)
  return [
    ...(architecture === process.arch
      ? []
      : [`host ${here} is ${process.arch}, host ${from} ${architecture}`]),
    ...volumes
      .filter(({ name }) => store.volumes.has(name))
      .map(({ name }) => `host ${here} has a volume ${name} already`),
    ...missing.map(
      ({ name, driver }) => `host ${here} has no network ${name} (${driver}), which is host ${from}'s own`,
    ),
    ...requestReasons(parts, container, networks),
    ...(await portReasons(parts, settleIn(parts, container, networks))),
  ]
}

/** Of networks of this host that go by the name of the other's. */
function requestReasons(
  parts: Parts,
  container: ContainerRecord,
  networks: readonly NetworkRecord[],
): string[] {
  return container.endpoints.flatMap(({ network: id, request }) => {
    const theirs = networks.find((network) => network.id === id)
    const network = theirs === undefined ? undefined : counterpart(parts, theirs)
    if (network === undefined || network.id === id) return []
    return reasonOf(() => checkRequest(network, request, parts.networkDriver(network.driver).checkEndpoint))
  })
}

/** Taken for a moment: who has them says so. */
async function portReasons(parts: Parts, container: ContainerRecord): Promise<string[]> {
  const wanted = wantedPorts(parts, container).filter(({ hostPort }) => hostPort > 0)
  const hasPorts = container.endpoints.length > 0 && !['host', 'none'].includes(container.spec.networkMode)
  if (!hasPorts || wanted.length === 0) return []
  const targets = { v4: '0.0.0.0', v6: '::', routed4: false, routed6: false, unrelayed: true } as const
  try {
    await parts.ports.reserve(container.id, container.name, wanted, targets)
    return []
  } catch (error) {
    return [explain(error)]
  } finally {
    parts.ports.release(container.id)
  }
}

function reasonOf(check: () => void): string[] {
  try {
    check()
    return []
  } catch (error) {
    return [explain(error)]
  }
}

/** Throws what is no refusal. */
function explain(error: unknown): string {
  if (error instanceof TsnetError) return error.message
  throw error
}
