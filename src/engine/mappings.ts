/** How mounts show owners: as long as a container's record asks for a mapping, its user namespace is kept. */

import type { OwnerMapping } from '../init/steps.ts'
import { removeUserNamespace, requireUserNamespace, sweepUserNamespaces } from '../sandbox/user-namespace.ts'
import type { ContainerRecord, MountPoint } from '../store/records.ts'
import { type IdRange, parseIdmap } from '../values/idmap.ts'
import type { Parts } from './parts.ts'

/** null for a mount that shows owners as they are. `own` says whose the source is made or was: that is not changed. */
export async function mappingOf(
  parts: Parts,
  { idmap }: MountPoint,
  own: string,
): Promise<OwnerMapping | null> {
  if (idmap === '') return null
  const userNamespace = await requireUserNamespace(parts.execRoot, idmap)
  const { uid, gid } = parseIdmap(idmap)
  const root = { uid: diskIdOf(uid), gid: diskIdOf(gid) }
  if (own !== '' || root.uid === null || root.gid === null) return { userNamespace, root: null }
  return { userNamespace, root: { uid: root.uid, gid: root.gid } }
}

/** The id on disk that is seen as root's; null for none. */
function diskIdOf(ranges: readonly IdRange[]): number | null {
  if (ranges.length === 0) return 0
  return ranges.find(({ seen }) => seen === 0)?.disk ?? null
}

function idmapsOf(container: ContainerRecord): string[] {
  return container.mounts.map(({ idmap }) => idmap).filter((idmap) => idmap !== '')
}

function idmapsInUse(parts: Parts): Set<string> {
  return new Set([...parts.store.containers.values()].flatMap(idmapsOf))
}

/** The container is gone: so are the mappings that it alone had. */
export function releaseMappings(parts: Parts, container: ContainerRecord): void {
  const own = idmapsOf(container)
  if (own.length === 0) return
  const others = idmapsInUse(parts)
  for (const idmap of own) if (!others.has(idmap)) removeUserNamespace(parts.execRoot, idmap)
}

export function sweepMappings(parts: Parts): void {
  sweepUserNamespaces(parts.execRoot, [...idmapsInUse(parts)])
}
