import type { ContainerRecord } from '../store/records.ts'
import type { Store } from '../store/store.ts'

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
