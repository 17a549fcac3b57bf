/** Programs that are started in running containers, as the API sees them. */

import type { Duplex } from 'node:stream'
import type { ContainerId, ExecId } from '../../values/id.ts'

export interface ExecSpec {
  readonly argv: readonly string[]
  readonly env: readonly string[]
  readonly workingDir: string
  readonly user: string
  readonly tty: boolean
  readonly stdin: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  readonly privileged: boolean
  readonly detachKeys: string
}

export interface ExecRecord {
  readonly id: ExecId
  readonly container: ContainerId
  readonly spec: ExecSpec
  readonly running: boolean
  /** null until it ended */
  readonly exitCode: number | null
  readonly pid: number
}

export interface Execs {
  create(container: string, spec: ExecSpec): Promise<ExecId>
  /** Resolves once the program runs; null when detached. */
  start(
    id: string,
    options: { detach: boolean; tty: boolean; rows: number; columns: number },
  ): Promise<Duplex | null>
  get(id: string): ExecRecord
  resize(id: string, rows: number, columns: number): Promise<void>
}
