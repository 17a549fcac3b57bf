/** Drivers of networks, addresses and volumes, as the API tells of them. */
import type { DriverKind } from '../../drivers/registry.ts'

export interface DriverInfo {
  readonly name: string
  /** '' for a file that has never loaded, and a plugin that has never said what it is. */
  readonly kind: DriverKind | ''
  readonly origin: 'built-in' | 'file' | 'plugin'
  readonly capabilities: Readonly<Record<string, string>>
  /**
   * 'outdated': an earlier version of a file goes on, `error` says why; 'broken': there is none; 'unreachable': a plugin does not answer,
   * `error` says what is wrong.
   */
  readonly status: 'ready' | 'outdated' | 'broken' | 'unreachable'
  /** The file or package, or a plugin's socket; '' for others. */
  readonly path: string
  readonly description: string
  readonly error: string
  /** ISO 8601, '' for others than files. */
  readonly loadedAt: string
  /** How many networks or volumes name it. */
  readonly users: number
}

export interface Drivers {
  list(): readonly DriverInfo[]
  /** A driver may be one of networks and of volumes. Throws kind 'not-found'. */
  get(name: string): readonly DriverInfo[]
  /** Loads operators' files as they are now, and returns what has become of them. What runs is not touched. */
  reload(): Promise<readonly DriverInfo[]>
}
