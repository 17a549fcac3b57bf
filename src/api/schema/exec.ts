/** Programs run inside a running container. */
import Type, { type Static } from 'typebox'
import { ConsoleSize, flag, text, texts } from './fields.ts'

export const ExecCreate = Type.Object({
  User: text,
  Privileged: flag,
  Tty: flag,
  ConsoleSize,
  AttachStdin: flag,
  AttachStderr: flag,
  AttachStdout: flag,
  DetachKeys: text,
  Env: texts,
  WorkingDir: text,
  Cmd: texts,
})
export type ExecCreate = Static<typeof ExecCreate>

export const ExecStart = Type.Object({ Detach: flag, Tty: flag, ConsoleSize })
export type ExecStart = Static<typeof ExecStart>

export interface ExecInspect {
  ID: string
  Running: boolean
  /** null until it ended */
  ExitCode: number | null
  ProcessConfig: {
    tty: boolean
    entrypoint: string
    arguments: readonly string[]
    privileged: boolean
    user: string
  }
  OpenStdin: boolean
  OpenStderr: boolean
  OpenStdout: boolean
  CanRemove: boolean
  ContainerID: string
  DetachKeys: string
  Pid: number
}
