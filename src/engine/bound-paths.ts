/** What a container's mounts are for init. None of their sources is looked at here: a dead file system must not keep the daemon waiting. */

import type { OwnerMapping } from '../init/steps.ts'
import { requireUserNamespace } from '../sandbox/user-namespace.ts'
import type { ContainerRecord, MountPoint } from '../store/records.ts'
import { type IdRange, parseIdmap } from '../values/idmap.ts'
import { type BoundPath, plainBind } from './compile.ts'
import type { Parts } from './parts.ts'

/** `source` is the path on this host, '' for an image. Only of binds, volumes and images. */
export async function boundPath(
  parts: Parts,
  container: ContainerRecord,
  mount: MountPoint,
  source: string,
): Promise<BoundPath> {
  return {
    ...plainBind(source, mount.target, mount.readOnly),
    type: mount.type === 'tmpfs' ? 'bind' : mount.type,
    propagation: mount.propagation || 'rprivate',
    recursion: mount.recursion,
    createSource: mount.type === 'bind' && mount.createSource,
    own: ownOf(parts, mount),
    subpath: mount.subpath,
    mapping: mount.idmap === '' ? null : await mappingOf(parts, mount),
    copyUp: isFilled(container, mount),
    ...(mount.type === 'image' ? imageOf(parts, mount) : {}),
  }
}

async function mappingOf(parts: Parts, mount: MountPoint): Promise<OwnerMapping> {
  const { uid, gid } = parseIdmap(mount.idmap)
  const [rootUid, rootGid] = [diskIdOf(uid), diskIdOf(gid)]
  return {
    userNamespace: await requireUserNamespace(parts.execRoot, mount.idmap),
    root:
      ownOf(parts, mount) !== '' || rootUid === null || rootGid === null
        ? null
        : { uid: rootUid, gid: rootGid },
  }
}

/** The id on disk that is seen as root's; null for none. */
function diskIdOf(ranges: readonly IdRange[]): number | null {
  if (ranges.length === 0) return 0
  return ranges.find(({ seen }) => seen === 0)?.disk ?? null
}

/** The owner of what a bind makes; a volume has got its own when it was created. */
function ownOf(parts: Parts, mount: MountPoint): string {
  if (mount.type !== 'volume') return mount.own
  return parts.store.volumes.get(mount.name)?.options['own'] ?? ''
}

/** By the container's first start alone, as Docker's create does: what is emptied later stays so. */
function isFilled(container: ContainerRecord, mount: MountPoint): boolean {
  return mount.type === 'volume' && !mount.noCopy && mount.subpath === '' && container.state.startedAt === ''
}

/** Throws kind 'not-found' for an image that has been removed. */
function imageOf(parts: Parts, mount: MountPoint): Partial<BoundPath> {
  const layers = parts.images.get(mount.source || mount.name).layers
  return { source: mount.name, layers, readOnly: true }
}
