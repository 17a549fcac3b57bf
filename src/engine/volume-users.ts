import type { ContainerRecord } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import type { Parts } from './parts.ts'

/** Containers by the names of the volumes that they mount. Counted from the records: look at it in the turn in which it is made. */
export type VolumeUsers = ReadonlyMap<string, readonly ContainerRecord[]>

interface Counted {
  /** The containers' count of writes that `users` was made at. */
  readonly at: number
  readonly users: VolumeUsers
}

const counted = new WeakMap<Store, Counted>()

/** Counts again only after a container's record has changed: removing many volumes does not go through all containers each time. */
export function volumeUsers({ store }: { readonly store: Store }): VolumeUsers {
  const last = counted.get(store)
  if (last?.at === store.containers.writes) return last.users
  const users = countUsers(store.containers.values())
  counted.set(store, { at: store.containers.writes, users })
  return users
}

function countUsers(containers: Iterable<ContainerRecord>): VolumeUsers {
  const users = new Map<string, ContainerRecord[]>()
  for (const container of containers) {
    const names = container.mounts.filter(({ type }) => type === 'volume').map(({ name }) => name)
    for (const name of new Set(names)) {
      const known = users.get(name)
      if (known === undefined) users.set(name, [container])
      else known.push(container)
    }
  }
  return users
}

/**
 * Runs `body` under the locks of `subjects` while none of the containers that refer to the volume starts, ends or goes. Throws kind
 * 'conflict' when one is being moved to another host.
 */
export async function whileUsersStay<T>(
  parts: Pick<Parts, 'store' | 'locks' | 'moves'>,
  volume: string,
  subjects: readonly string[],
  body: () => Promise<T>,
): Promise<T> {
  for (;;) {
    for (const user of volumeUsers(parts).get(volume) ?? []) parts.moves.refuseLeaving(user)
    const users = userIds(parts, volume)
    const done = await parts.locks.runAll(users, () =>
      parts.locks.runAll(subjects, async () => {
        const haveCome = userIds(parts, volume).some((user) => !users.includes(user))
        return haveCome ? null : { result: await body() }
      }),
    )
    if (done !== null) return done.result
  }
}

function userIds(parts: Pick<Parts, 'store'>, volume: string): string[] {
  return (volumeUsers(parts).get(volume) ?? []).map(({ id }) => id)
}

/** As errors name them: Docker's list of ids, and the names. */
export function tellUsers(users: readonly { readonly id: string; readonly name: string }[]): string {
  const ids = users.map(({ id }) => id).join(', ')
  return `[${ids}] (${users.map(({ name }) => name).join(', ')})`
}
