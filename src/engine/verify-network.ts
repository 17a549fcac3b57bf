/** Asks all hosts that have endpoints on a network of the cluster how they find each other there. */
import { verificationKey, verifiedKey } from '../cluster/keys.ts'
import type { OverlayOptions } from '../drivers/overlay/index.ts'
import { errorMessage, TsnetError } from '../errors.ts'
import type { NetworkRecord } from '../store/records.ts'
import { newId } from '../values/id.ts'
import type { NetworkVerification, VerifiedRow } from './engine.ts'
import type { Parts } from './parts.ts'
import { type ClusterParts, clusterOf, isShared, reachableCluster } from './shared-networks.ts'
import { hostsOn } from './verified-row.ts'

/** Milliseconds for which rows are waited for. */
const patience = 5000

/**
 * While etcd is away this host's own row is all there is. Throws kind 'invalid' for a network that hosts do not share, 'conflict' for one
 * whose containers are kept from each other or that nobody is on, 'unavailable' when etcd is away and this host is not on it.
 */
export async function verifyNetwork(parts: Parts, network: NetworkRecord): Promise<NetworkVerification> {
  refuseUnverifiable(parts, network)
  const cluster = clusterOf(parts)
  const ownRow = cluster.active.get(network.id)?.verifier.look() ?? null
  try {
    const { silent, rows } = await askOthers(cluster, network)
    const all = [...(ownRow === null ? [] : [await ownRow]), ...rows]
    if (all.length > 0 || silent.length > 0) return { network, rows: all, silent, warning: '' }
  } catch (error) {
    if (ownRow === null || !(error instanceof TsnetError && error.code === 'cluster-away')) throw error
    return { network, rows: [await ownRow], silent: [], warning: errorMessage(error) }
  }
  throw new TsnetError(
    'conflict',
    'network-unused',
    `network ${network.name} has no endpoints on any host: there is nothing to verify before there are containers on it`,
  )
}

function refuseUnverifiable(parts: Parts, network: NetworkRecord): void {
  if (!isShared(network)) {
    throw new TsnetError(
      'invalid',
      'not-overlay',
      `network ${network.name} is this host's alone, with the driver ${network.driver}: only overlay networks lead to other hosts`,
    )
  }
  clusterOf(parts)
  const { interContainer } = parts.networkDriver(network.driver).parseOptions(network) as OverlayOptions
  if (interContainer) return
  throw new TsnetError(
    'conflict',
    'network-isolated',
    `network ${network.name} keeps its containers from each other (com.docker.network.bridge.enable_icc=false): there is no way to verify`,
  )
}

interface Answers {
  readonly rows: readonly VerifiedRow[]
  /** Hosts that have not answered. */
  readonly silent: readonly string[]
}

async function askOthers(cluster: ClusterParts, network: NetworkRecord): Promise<Answers> {
  const { state } = reachableCluster({ cluster }, `asking the other hosts about network ${network.name}`)
  const until = performance.now() + patience
  const id = newId()
  using endpoints = state.endpoints(network.id)
  using answers = state.mirror(verifiedKey(network.id, id, ''))
  const key = verificationKey(network.id, id)
  await Promise.all([endpoints.ready(), answers.ready(), state.hold(key, state.self.name)])
  try {
    // One that has left the network meanwhile is not missed.
    const silent = (): string[] =>
      hostsOn(endpoints).filter((host) => host !== state.self.name && !answers.values.has(host))
    await changesUntil([endpoints, answers], until - performance.now(), () => silent().length === 0)
    return { rows: [...answers.values.values()].map(parseRow), silent: silent() }
  } finally {
    state.release(key)
  }
}

/** Resolves when `isDone`, looked at after each change, or after so many milliseconds. */
async function changesUntil(
  mirrors: readonly { subscribe(listener: () => void): Disposable }[],
  milliseconds: number,
  isDone: () => boolean,
): Promise<void> {
  if (isDone()) return
  const done = Promise.withResolvers<void>()
  using undo = new DisposableStack()
  for (const mirror of mirrors) undo.use(mirror.subscribe(() => isDone() && done.resolve()))
  const timer = setTimeout(done.resolve, milliseconds)
  undo.defer(() => clearTimeout(timer))
  await done.promise
}

/** Behind the name of its host. */
function parseRow(value: string): VerifiedRow {
  return JSON.parse(value.slice(value.indexOf(' ') + 1)) as VerifiedRow
}
