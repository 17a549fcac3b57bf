/** What a container mounts. */
import type { Labels } from './labels.ts'

export interface MountRequest {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'image'
  /** bind: a host path; volume: a name, or '' for an anonymous one; image: a reference; tmpfs: ''. As it was written. */
  readonly source: string
  /** As it was written: it may have dots and slashes too many. */
  readonly target: string
  readonly readOnly: boolean
  /** bind: make a missing source directory, as `-v` does and `--mount` does not. */
  readonly createSource: boolean
  /** volume: do not copy the image's content into an empty volume. */
  readonly noCopy: boolean
  readonly propagation: '' | 'private' | 'rprivate' | 'shared' | 'rshared' | 'slave' | 'rslave'
  /** bind: what becomes of the mounts below the source. */
  readonly recursion: Recursion
  /** volume, image: a path inside, relative and clean; '' for all of it. */
  readonly subpath: string
  /** bind, volume: how owners on disk are seen, `uid:1000:0:1;gid:1000:0:1` (kind, on disk, seen, count); '' as they are. */
  readonly idmap: string
  /** bind, volume: `uid:gid` of what this mount makes first; '' for root. */
  readonly own: string
  /** `-v`: the mode as it was written, e.g. `ro,Z`; told again. So is the consistency of `--mount`. */
  readonly mode: string
  readonly consistency: '' | 'default' | 'consistent' | 'cached' | 'delegated'
  /** tmpfs: mount options as for mount(8), e.g. `size=64m,mode=1777`. volume: '' */
  readonly options: string
  readonly driver: string
  readonly driverOptions: Labels
  readonly labels: Labels
  /** Where the request came from; inspect tells them apart. `anonymous` is `-v /path`, `image` a VOLUME of the image. */
  readonly syntax: 'bind-string' | 'mount' | 'tmpfs-flag' | 'anonymous' | 'image'
}

/**
 * Mounts below a bind's source come along (enabled) or not (disabled). Of a read-only bind they are read-only too where the
 * kernel can; they stay writable (writable); or the start fails where they cannot be made read-only (readonly).
 */
export type Recursion = 'enabled' | 'disabled' | 'writable' | 'readonly'

/** A mount as decided for a container. */
export interface MountPoint {
  readonly type: MountRequest['type']
  /** volume: its name; image: the reference */
  readonly name: string
  /** bind, volume: the path on the host; image: its id; tmpfs: '' */
  readonly source: string
  readonly target: string
  readonly driver: string
  readonly readOnly: boolean
  readonly createSource: boolean
  readonly noCopy: boolean
  readonly propagation: MountRequest['propagation']
  readonly recursion: Recursion
  readonly subpath: string
  readonly idmap: string
  readonly own: string
  readonly mode: string
  /** tmpfs: mount options */
  readonly options: string
  readonly syntax: MountRequest['syntax'] | 'volumes-from'
}
