/** What has become of a move, when that is not known: etcd tells, and what it tells stays true. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from '../../cluster/cluster.ts'
import { movedKey, moveKey } from '../../cluster/keys.ts'
import { errorMessage } from '../../errors.ts'
import type { Parts } from '../parts.ts'
import { clusterOf } from '../shared-networks.ts'

/** A move under way, as both hosts' journals have it. */
export interface MoveId {
  readonly move: string
  readonly from: string
  readonly to: string
}

/** Between tries, in milliseconds. */
const pause = 500

/** Whether it was made. If it was not, it never will be: its offer is gone. */
export async function settleMove(state: Cluster, { move, to }: MoveId): Promise<boolean> {
  state.release(moveKey(to, move))
  return !(await state.transfer({
    expected: new Map([[movedKey(state.self.name, move), undefined]]),
    held: new Map(),
    put: new Map([[moveKey(to, move), undefined]]),
  }))
}

/** As `settleMove`, however long etcd is away. */
export async function settleWhenever(parts: Parts, id: MoveId): Promise<boolean> {
  const { state } = clusterOf(parts)
  for (let isTold = false; ; ) {
    try {
      return await settleMove(state, id)
    } catch (error) {
      if (!isTold) {
        const facts = { move: id, err: errorMessage(error) }
        parts.log.warn(facts, 'what has become of a container on its way to another host only etcd knows')
      }
      isTold = true
      await sleep(pause, undefined, { ref: false })
    }
  }
}

/** This host has drawn the consequences of a move that was made: `clear` takes it out of the journal, as soon as etcd has heard. */
export async function forgetMove(parts: Parts, { move }: MoveId, clear: () => void): Promise<void> {
  const { state } = clusterOf(parts)
  const forget = async (): Promise<void> => {
    await state.put(movedKey(state.self.name, move), undefined)
    clear()
  }
  try {
    await forget()
  } catch {
    void repeat(forget)
  }
}

async function repeat(attempt: () => Promise<void>): Promise<void> {
  for (;;) {
    await sleep(pause, undefined, { ref: false })
    try {
      return await attempt()
    } catch {
      // etcd is away still
    }
  }
}
