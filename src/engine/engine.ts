/** The engine as the API sees it: one contract per noun, all of which meet here. */
import type { Images } from '../images/image.ts'
import type { Containers } from './contract/containers.ts'
import type { Drivers } from './contract/drivers.ts'
import type { Execs } from './contract/execs.ts'
import type { Hosts } from './contract/hosts.ts'
import type { Networks } from './contract/networks.ts'
import type { Topology } from './contract/topology.ts'
import type { VolumeArchives } from './contract/volume-archives.ts'
import type { Volumes } from './contract/volumes.ts'

export type { Images, Progress, ProgressSink, RegistryAuth } from '../images/image.ts'
export type * from './contract/containers.ts'
export type * from './contract/drivers.ts'
export type * from './contract/execs.ts'
export type * from './contract/hosts.ts'
export type * from './contract/networks.ts'
export type * from './contract/topology.ts'
export type * from './contract/volume-archives.ts'
export type * from './contract/volumes.ts'

export interface SystemInfo {
  readonly name: string
  readonly dataRoot: string
  readonly execRoot: string
  readonly firewall: string
  readonly cgroupVersion: 1 | 2
  readonly kernel: string
  readonly operatingSystem: string
  readonly cpus: number
  /** bytes */
  readonly memory: number
  readonly seccomp: boolean
  readonly id: string
}

export interface EngineEvent {
  readonly type: 'container' | 'network' | 'volume' | 'image' | 'daemon'
  /** Docker's word: create, start, die, destroy, connect … */
  readonly action: string
  readonly id: string
  readonly attributes: Readonly<Record<string, string>>
  /** nanoseconds since the epoch */
  readonly time: bigint
}

export interface Engine {
  readonly hosts: Hosts
  readonly drivers: Drivers
  readonly containers: Containers
  readonly execs: Execs
  readonly networks: Networks
  readonly volumes: Volumes
  readonly volumeArchives: VolumeArchives
  readonly images: Images
  info(): SystemInfo
  topology(): Topology
  /** The last events since the daemon's start, oldest first. */
  pastEvents(): readonly EngineEvent[]
  /** Calls `listener` for each event until the returned function is called. */
  subscribe(listener: (event: EngineEvent) => void): () => void
}
