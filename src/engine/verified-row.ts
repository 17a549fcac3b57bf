/** How one host of a cluster finds a network: what it had to repair, and how packets fare to each other host that has endpoints there. */
import type { ClusterEndpoint, Mirror } from '../cluster/cluster.ts'
import type { OverlayDriver } from '../drivers/overlay/index.ts'
import { errorMessage } from '../errors.ts'
import { probePath } from '../sandbox/path-probe.ts'
import { findSandbox, type Sandbox } from '../sandbox/sandbox.ts'
import type { EndpointRecord, NetworkRecord } from '../store/records.ts'
import { bareAddress } from './addresses.ts'
import type { VerifiedPath, VerifiedRow } from './engine.ts'
import type { Parts } from './parts.ts'
import { findPod } from './pods/sandbox.ts'
import { repairNetwork, standingEndpoints } from './repair-network.ts'
import { clusterOf } from './shared-networks.ts'

/** Milliseconds after which no further host is looked at: who has asked waits for all rows. */
const patience = 3000
/** Hosts that are looked at at once. */
const concurrency = 64

/** Where a host looks from. */
interface Post extends Pick<EndpointRecord, 'address4' | 'address6'> {
  readonly sandbox: Sandbox
}

/** Repairs first, so that what is told is how the network is now. What goes wrong is told in the row. */
export async function makeRow(parts: Parts, network: NetworkRecord): Promise<VerifiedRow> {
  const driver = parts.networkDriver(network.driver) as OverlayDriver
  const { state } = clusterOf(parts)
  let faults: readonly string[] = []
  try {
    const own = standingEndpoints(parts, (endpoint) => endpoint.network === network.id).get(network.id)
    faults = await repairNetwork(parts, network, own ?? [])
    const paths = await probeAll(parts, network, driver.statusOf(network)?.mtu ?? 0)
    return { node: state.self.name, ...countsOf(driver, network), faults, error: '', paths }
  } catch (error) {
    const message = errorMessage(error)
    return { node: state.self.name, ...countsOf(driver, network), faults, error: message, paths: [] }
  }
}

function countsOf(driver: OverlayDriver, network: NetworkRecord): Pick<VerifiedRow, 'mtu' | 'repaired'> {
  const status = driver.statusOf(network)
  return { mtu: status?.mtu ?? 0, repaired: status?.repaired ?? 0 }
}

async function probeAll(parts: Parts, network: NetworkRecord, mtu: number): Promise<VerifiedPath[]> {
  const { state } = clusterOf(parts)
  const until = performance.now() + patience
  using endpoints = state.endpoints(network.id)
  const others = hostsOn(endpoints).filter((host) => host !== state.self.name)
  if (others.length === 0) return []
  const post = findPost(parts, network)
  using _sandbox = post.sandbox
  const paths: VerifiedPath[] = []
  const rest = others.values()
  const worker = async (): Promise<void> => {
    for (const host of rest) {
      const late = performance.now() > until
      const path = late ? unseen(host) : await probeHost(endpoints, post, host, mtu)
      if (path !== null) paths.push(path)
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, others.length) }, worker))
  return paths
}

/** The hosts that have endpoints. */
export function hostsOn({ values }: Mirror<ClusterEndpoint>): string[] {
  return [...new Set(values.values().map(({ node }) => node))].sort()
}

/** A container here, or another runtime's pod. Throws when there is none: what other engines have is out of reach. */
function findPost({ store, execRoot }: Parts, network: NetworkRecord): Post {
  const isOn = (endpoint: EndpointRecord): boolean => endpoint.network === network.id
  for (const { id, state, endpoints } of store.containers.values()) {
    const endpoint = state.status === 'running' ? endpoints.find(isOn) : undefined
    const sandbox = endpoint === undefined ? null : findSandbox({ execRoot, id })
    if (endpoint !== undefined && sandbox !== null) return { ...endpoint, sandbox }
  }
  for (const pod of store.pods.values()) {
    const sandbox = pod.isEngines && isOn(pod.endpoint) ? findPod(pod) : null
    if (sandbox !== null) return { ...pod.endpoint, sandbox }
  }
  throw new Error('no container here has a network namespace to look from')
}

/**
 * Null when the host has left the network meanwhile. Where something is lost a second look counts, by another endpoint if there is one: the
 * first may have ended or may not answer anybody, and its host may just have put its entries right.
 */
async function probeHost(
  endpoints: Mirror<ClusterEndpoint>,
  post: Post,
  host: string,
  mtu: number,
): Promise<VerifiedPath | null> {
  const first = findTarget(endpoints, host, '')
  if (first === undefined) return null
  const path = await probeEndpoint(post, first, mtu)
  if (path.sent > 0 && path.received === path.sent) return path
  const second = findTarget(endpoints, host, first.id)
  if (second === undefined) return null
  const again = await probeEndpoint(post, second, mtu)
  return again.received >= path.received ? again : path
}

/** Another one than `but`, if there is any. */
function findTarget(
  { values }: Mirror<ClusterEndpoint>,
  host: string,
  but: string,
): ClusterEndpoint | undefined {
  const targets = [...values.values().filter(({ node }) => node === host)]
  return targets.find(({ id }) => id !== but) ?? targets[0]
}

async function probeEndpoint(post: Post, target: ClusterEndpoint, wanted: number): Promise<VerifiedPath> {
  const path = { ...unseen(target.node), container: target.containerName }
  const address = commonAddress(post, target)
  if (address === '') return { ...path, error: 'the two endpoints have no family of addresses in common' }
  try {
    return { ...path, address, ...(await probePath(post.sandbox.netns, address, wanted)), error: '' }
  } catch (error) {
    return { ...path, address, error: errorMessage(error) }
  }
}

function commonAddress(post: Post, target: ClusterEndpoint): string {
  if (post.address4 !== '' && target.address4 !== '') return bareAddress(target.address4)
  return post.address6 !== '' && target.address6 !== '' ? bareAddress(target.address6) : ''
}

function unseen(to: string): VerifiedPath {
  const error = 'there was no time to look'
  return { to, container: '', address: '', sent: 0, received: 0, latency: null, mtu: null, error }
}
