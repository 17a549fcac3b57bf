/** A host's part in its cluster, from the daemon's start to its end. */
import { fenceLosses } from './cluster-fencing.ts'
import { followNetworks } from './cluster-networks.ts'
import { foreignEndpoints } from './foreign-endpoints.ts'
import { followArrivals } from './moves/arrivals.ts'
import { decideMoves, resumeMoves } from './moves/resume.ts'
import type { Parts } from './parts.ts'
import { clusterOf } from './shared-networks.ts'
import { followUnderlay } from './underlay.ts'

export interface FollowedCluster {
  /** All that is this host's is announced and held. */
  complete(): void
  /** The others forget this host at once, unless containers go on here. */
  leave(): Promise<void>
}

/** `restored` resolves when the records are in order: what is heard before is heeded then. */
export function followCluster(parts: Parts, advertise: string, restored: Promise<void>): FollowedCluster {
  const { state, leases, handover } = clusterOf(parts)
  fenceLosses(parts, restored)
  void restored.then(() => followNetworks(parts))
  const decided = restored.then(() => followMoves(parts))
  const underlay = followUnderlay(state, advertise, parts.log)
  return {
    complete() {
      handover.restored()
      void decided.then(() => state.prune())
    },
    async leave() {
      underlay[Symbol.dispose]()
      leases[Symbol.dispose]()
      const { store } = parts
      const runs = store.containers.values().some((container) => container.state.status === 'running')
      const goesOn = runs || foreignEndpoints(store).length > 0
      try {
        await state.close(goesOn)
      } catch (error) {
        parts.log.warn({ err: error }, 'the cluster could not be told that this host has left')
      }
    },
  }
}

/** Resolves when it is known which containers are this host's. */
async function followMoves(parts: Parts): Promise<void> {
  const failed = (error: unknown): void =>
    parts.log.error({ err: error }, 'a move of a container between hosts could not be brought to an end')
  await decideMoves(parts).catch(failed)
  followArrivals(parts)
  resumeMoves(parts).catch(failed)
}
