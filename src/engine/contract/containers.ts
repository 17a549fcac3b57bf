/** Containers as the API sees them. `ref` is a full id, a unique prefix of one, or a name. */

import type { Duplex, Readable } from 'node:stream'
import type { PublishRule } from '../../firewall/rules.ts'
import type { PluginWait } from '../../plugins/plugins.ts'
import type { ContainerRecord, ContainerSpec, EgressEntry, PortBinding } from '../../store/records.ts'
import type { ContainerId } from '../../values/id.ts'

export interface LogOptions {
  readonly stdout: boolean
  readonly stderr: boolean
  readonly follow: boolean
  readonly timestamps: boolean
  /** seconds since the epoch with fraction; 0 for none */
  readonly since: number
  readonly until: number
  /** lines from the end; -1 for all */
  readonly tail: number
}

export interface AttachOptions {
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  /** Follow what comes from now on. */
  readonly stream: boolean
  /** First replay the log. */
  readonly logs: boolean
  /** Docker's notation, '' for ctrl-p,ctrl-q */
  readonly detachKeys: string
}

export interface Containers {
  create(spec: ContainerSpec, name: string | null): Promise<{ id: ContainerId; warnings: string[] }>
  /** Throws kind 'unchanged' when it runs already. */
  start(ref: string): Promise<void>
  /** Throws kind 'unchanged' when it does not run. `timeout` in seconds. */
  stop(ref: string, options: { signal: string | null; timeout: number | null }): Promise<void>
  restart(ref: string, options: { signal: string | null; timeout: number | null }): Promise<void>
  kill(ref: string, signal: string): Promise<void>
  remove(ref: string, options: { force: boolean; volumes: boolean }): Promise<void>
  rename(ref: string, name: string): Promise<void>
  /** Publishes what `change` makes of the container's bindings, at once when it runs. */
  updatePorts(
    ref: string,
    change: (bindings: readonly PortBinding[]) => readonly PortBinding[],
  ): Promise<void>
  /** Null for everything. Established connections go on. */
  updateEgress(ref: string, egress: readonly EgressEntry[] | null): Promise<void>
  /** `out` and `in` as `50mbit,burst=64k`; '' takes a limit away, null leaves it as it is. */
  updateRates(ref: string, change: { out: string | null; in: string | null }): Promise<void>
  /**
   * Moves it to another host of the cluster, with its volumes, addresses and names. Throws kind 'conflict' with all that is against it
   * before it is stopped; when it fails later it is here as before.
   */
  move(ref: string, host: string, watch: MoveWatch): Promise<MovedContainer>
  wait(
    ref: string,
    condition: 'not-running' | 'next-exit' | 'removed',
    signal: AbortSignal,
  ): Promise<{ exitCode: number; error: string }>
  get(ref: string): ContainerRecord
  list(): readonly ContainerRecord[]
  /** Its exposed ports as long as it runs where something could lead to them. */
  exposedPorts(container: ContainerRecord): readonly string[]
  /** Its published ports that the trusted interfaces of its networks let in to at its own addresses. */
  trustedPorts(container: ContainerRecord): readonly PublishRule[]
  /** For which plugin its start waits now; null for none. */
  waitsFor(id: ContainerId): PluginWait | null
  /** Bytes in Docker's 8-byte frames, or raw for a container with a tty; writes go to stdin, end closes it. */
  attach(ref: string, options: AttachOptions): Promise<Duplex>
  /** Frames as for attach. Ends by itself, or when `signal` aborts. */
  logs(ref: string, options: LogOptions, signal: AbortSignal): Promise<Readable>
  resize(ref: string, rows: number, columns: number): Promise<void>
}

export interface MoveWatch {
  /** Of what is sent, which goes by the name of an image or a volume, or is the container's `root` or `log`; bytes so far. */
  sent(what: string, bytes: number): void
  readonly signal: AbortSignal
}

export interface MovedContainer {
  readonly container: ContainerRecord
  /** Why it is not known to run there although it ran here, '' when all is well. */
  readonly error: string
}
