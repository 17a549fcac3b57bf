/** A daemon that is started without the cluster that it was in. */
import { removeOverlayLinks } from '../drivers/overlay/left-links.ts'
import { TsnetError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Store } from '../store/store.ts'
import type { Supervisor } from '../supervisor/client.ts'
import { foreignEndpoints } from './foreign-endpoints.ts'
import { isShared } from './shared-networks.ts'

export interface LeftParts {
  readonly store: Store
  readonly supervisor: Supervisor
  readonly log: Logger
  /** By which this daemon's things in the kernel are known. */
  readonly mark: string
}

/**
 * Takes away what this host has of the cluster's networks, whose records stay. Throws kind 'conflict' while containers run on them: other
 * hosts reach them, and nobody would look after that any more.
 */
export async function leaveCluster({ store, supervisor, log, mark }: LeftParts): Promise<void> {
  const networks = [...store.networks.values()].filter(isShared)
  if (networks.length === 0) return
  const ids = new Set<string>(networks.map(({ id }) => id))
  const { running } = await supervisor.call('list', null)
  const alive = new Set(running.map(({ id }) => id))
  const containers = [...store.containers.values()].filter(
    ({ id, endpoints }) => alive.has(id) && endpoints.some(({ network }) => ids.has(network)),
  )
  const others = foreignEndpoints(store).filter(({ network }) => ids.has(network))
  const users = [...containers.map(({ name }) => name), ...others.map(({ container }) => container)]
  if (users.length > 0) throw inUse(users)
  await supervisor.call('keep', null)
  const links = await removeOverlayLinks(mark)
  const names = networks.map(({ name }) => name)
  log.warn(
    { networks: names, links },
    'this daemon is started without the cluster that it was in, whose networks cannot be used until it is started with --cluster again',
  )
}

function inUse(users: readonly string[]): TsnetError {
  return new TsnetError(
    'conflict',
    'cluster-in-use',
    `containers run on networks of a cluster (${users.join(', ')}), and this daemon is started without --cluster: start it as before, ` +
      'also when etcd is no more, and stop them or take them off these networks first',
  )
}
