import type { Argv } from '../command.ts'

/** A contestant's engine, alone in a network namespace, with its roots in the benchmark's folder. */
export interface Engine extends AsyncDisposable {
  readonly name: EngineName
  readonly version: string
  /** The client with the flags that lead to this engine; a subcommand follows. */
  readonly cli: Argv
  /** Path of the socket that speaks Docker's API; '' where there is none. */
  readonly socket: string
  /** Where containers outlive the daemon: ends it, starts it again, and answers the milliseconds from then to its first answer. */
  readonly restart?: () => Promise<number>
  /** Its own processes, without those of the users' containers. */
  processes(): number[]
}

export const ENGINE_NAMES = ['tsnet', 'dockerd', 'podman', 'runc'] as const
export type EngineName = (typeof ENGINE_NAMES)[number]

/** What an engine needs to start. */
export interface Ground {
  /** A folder of its own. */
  readonly dir: string
  /** Parent cgroup for what it starts. */
  readonly cgroup: string
  readonly rootArchive: Buffer
}
