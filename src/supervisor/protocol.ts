/*
 * The conversation between daemon and supervisor, over `<exec-root>/supervisor.sock`. Every message is one line of JSON.
 *
 *   daemon                                      supervisor
 *     │── {"id":1,"method":"start","params":…} ──▶ │
 *     │ ◀── {"id":1,"result":{"pid":42}} ────────── │   or {"id":1,"error":{kind,code,message,exitCode}}
 *     │ ◀── {"event":"exit","exit":{…}} ─────────── │   once its status is on disk
 *
 * A connection whose first line is {"stream":…} carries bytes from then on: from the supervisor Docker's 8-byte frames
 * (raw bytes with a terminal), towards it the program's standard input; its end closes that input.
 */
import type { ErrorKind } from '../errors.ts'
import type { InitPlan } from '../init/steps.ts'

export interface StdioSpec {
  readonly tty: boolean
  readonly stdin: boolean
  /** The input closes when the first client that held it goes. */
  readonly stdinOnce: boolean
  /** Path of the json-file log, '' for none. */
  readonly log: string
}

export interface StartParams {
  readonly id: string
  readonly plan: InitPlan
  readonly stdio: StdioSpec
  /** The terminal's size when the program starts; 0 for unknown, or without a terminal. */
  readonly rows: number
  readonly columns: number
}

export interface ExecParams extends StartParams {
  /** pid of the container to enter */
  readonly into: number
}

/** How a program ended. 128 plus the signal's number when a signal ended it. */
export interface ExitRecord {
  readonly id: string
  readonly exitCode: number
  /** ISO 8601 */
  readonly finishedAt: string
}

export interface ChildRecord {
  readonly id: string
  readonly pid: number
  /** clock ticks after boot, from /proc/PID/stat: tells a pid's former owner from its present one */
  readonly startTime: string
  readonly stdio: StdioSpec
}

/** A lease of a cluster that is to outlive the daemon. */
export interface KeepParams {
  /** A line for the process that keeps it (cluster/keeper.ts). */
  readonly order: string
  /** How long it lasts, in milliseconds. */
  readonly time: number
  /** Endpoints that stand under it, each with its container's id; '' for one that is not the daemon's own, and stands until it is back. */
  readonly endpoints: readonly (readonly [string, string])[]
}

/** What each method takes and gives. */
export interface Methods {
  start: { params: StartParams; result: { pid: number } }
  exec: { params: ExecParams; result: { pid: number } }
  signal: { params: { id: string; signal: number }; result: null }
  resize: { params: { id: string; rows: number; columns: number }; result: null }
  /** Everything alive, and every ending not yet forgotten. */
  list: { params: null; result: { running: readonly ChildRecord[]; exited: readonly ExitRecord[] } }
  /** The daemon has recorded the ending; clients still attached are let go. */
  forget: { params: { id: string }; result: null }
  /** What to keep when this connection closes; null for nothing, as of a daemon without a cluster. */
  keep: { params: KeepParams | null; result: null }
  /** Of one more endpoint, or one less (null). */
  'keep-for': { params: { endpoint: string; container: string | null }; result: null }
  /** Ends the supervisor when it has nothing to look after. */
  shutdown: { params: null; result: { stopping: boolean } }
}
export type Method = keyof Methods

export type Request = {
  [M in Method]: { readonly id: number; readonly method: M; readonly params: Methods[M]['params'] }
}[Method]

export interface Failure {
  readonly kind: ErrorKind
  readonly code: string
  readonly message: string
  /** What a shell would end with when the program could not be started, else 0. */
  readonly exitCode: number
}

export type Reply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: Failure }

export interface ExitEvent {
  readonly event: 'exit'
  readonly exit: ExitRecord
}

export interface StreamRequest {
  readonly stream: string
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  readonly tty: boolean
  /** Bytes that end the connection but not the program, when typed in a row at a terminal; empty for none. */
  readonly detachKeys: readonly number[]
}

export function socketPath(execRoot: string): string {
  return `${execRoot}/supervisor.sock`
}

/** Directory of a child's FIFOs and status files. */
export function childDir(execRoot: string, id: string): string {
  return `${execRoot}/children/${id}`
}
