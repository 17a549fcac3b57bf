/** What a container's mounts are for init. None of their sources is looked at here: a dead file system must not keep the daemon waiting. */

import type { ContainerRecord, MountPoint } from '../store/records.ts'
import { isWithin } from '../values/path.ts'
import { type BoundPath, plainBind } from './compile.ts'
import { mappingOf } from './mappings.ts'
import type { Parts } from './parts.ts'

/** `source` is the path on this host, '' for an image. Only of binds, volumes and images. */
export async function boundPath(
  parts: Parts,
  container: ContainerRecord,
  mount: MountPoint,
  source: string,
): Promise<BoundPath> {
  const own = ownOf(parts, mount)
  return {
    ...plainBind(source, mount.target, mount.readOnly),
    type: mount.type === 'tmpfs' ? 'bind' : mount.type,
    propagation: mount.propagation || 'rprivate',
    mayStayPrivate: mount.propagation === 'rslave' && meetsDataRoot(parts.dataRoot, source),
    recursion: mount.recursion,
    createSource: mount.type === 'bind' && mount.createSource,
    own,
    subpath: mount.subpath,
    mapping: await mappingOf(parts, mount, own),
    copyUp: isFilled(container, mount),
    ...(mount.type === 'image' ? imageOf(parts, mount) : {}),
  }
}

/** Such binds are slaves, so that no container keeps what is unmounted there; which a private one does not do either. */
function meetsDataRoot(dataRoot: string, source: string): boolean {
  return isWithin(source, dataRoot) || isWithin(dataRoot, source)
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
