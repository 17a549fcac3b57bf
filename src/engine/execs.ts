/** Programs run inside running containers. They are remembered for a while after their end. */
import type { Duplex } from 'node:stream'
import { TsnetError } from '../errors.ts'
import { exitNotExecutable, exitNotFound, type Program } from '../init/steps.ts'
import type { ContainerRecord } from '../store/records.ts'
import { resolveCapabilities } from '../sys/caps.ts'
import { openCgroup } from '../sys/cgroup.ts'
import { type ExecId, newId } from '../values/id.ts'
import { compileExec, compileProgram } from './compile.ts'
import { parseDetachKeys } from './detach-keys.ts'
import type { ExecRecord, ExecSpec, Execs } from './engine.ts'
import type { Parts } from './parts.ts'
import { mergeEnv } from './plan.ts'
import { findContainer } from './references.ts'
import { seccompOf } from './start.ts'
import { forgetChild } from './stop.ts'

/** The facade, and what the engine itself needs to tell it. */
export interface ManagedExecs extends Execs {
  /** Whether the ending was an exec's. */
  recordExit(id: string, exitCode: number): boolean
  forgetContainer(container: string): void
}

interface Remembered extends ExecRecord {
  /** milliseconds since the epoch; null until it ended */
  readonly endedAt: number | null
}

/** ms for which a client may ask for an ended exec's exit code, as dockerd has it at least */
const rememberedFor = 300_000

export function createExecs(parts: Parts): ManagedExecs {
  const records = new Map<string, Remembered>()
  const find = (id: string): Remembered => {
    const record = records.get(id)
    if (record === undefined)
      throw new TsnetError('not-found', 'no-such-exec', `No such exec instance: ${id}`)
    return record
  }
  // A health check makes one every few seconds, for as long as its container runs.
  const forgetLongEnded = (): void => {
    for (const { id, endedAt } of records.values()) {
      if (endedAt !== null && Date.now() - endedAt > rememberedFor) records.delete(id)
    }
  }
  const update: Update = (id, change) => {
    const record = records.get(id)
    if (record !== undefined) records.set(id, { ...record, ...change })
  }
  return {
    create: async (ref, spec) => {
      const container = findContainer(parts.store.containers, ref)
      refuseStopped(container)
      if (spec.argv.length === 0) throw new TsnetError('invalid', 'no-command', 'No exec command specified')
      forgetLongEnded()
      const id = newId<ExecId>()
      records.set(id, {
        id,
        container: container.id,
        spec,
        running: false,
        exitCode: null,
        pid: 0,
        endedAt: null,
      })
      parts.events.emit('container', `exec_create: ${spec.argv.join(' ')}`, container.id, { execID: id })
      return id
    },

    start: async (id, options) => start(parts, find(id), update, options),
    get: find,
    resize: async (id, rows, columns) => {
      if (!find(id).running) throw new TsnetError('conflict', 'not-running', `exec ${id} is not running`)
      await parts.supervisor.call('resize', { id, rows, columns })
    },
    recordExit: (id, exitCode) => {
      if (!records.has(id)) return false
      update(id, { running: false, exitCode, endedAt: Date.now() })
      return true
    },
    forgetContainer: (container) => {
      for (const record of records.values()) if (record.container === container) records.delete(record.id)
    },
  }
}

type Update = (id: string, change: Partial<Remembered>) => void

async function start(
  parts: Parts,
  record: ExecRecord,
  update: Update,
  options: Parameters<Execs['start']>[1],
): Promise<Duplex | null> {
  const { id } = record
  if (record.running || record.exitCode !== null) {
    throw new TsnetError('conflict', 'exec-started', `exec ${id} has already run: create another`)
  }
  const container = findContainer(parts.store.containers, record.container)
  refuseStopped(container)
  // Noted before the first wait: an exec runs once, whoever else asks meanwhile.
  update(id, { running: true })
  let stream: Duplex | null = null
  try {
    if (!options.detach) stream = await attachExec(parts, record)
    update(id, { pid: await runExec(parts, container, record, options) })
  } catch (error) {
    stream?.destroy()
    await forgetChild(parts, id)
    update(id, { running: false, exitCode: exitCodeOf(error), endedAt: Date.now() })
    throw error
  }
  parts.events.emit('container', `exec_start: ${record.spec.argv.join(' ')}`, container.id, {
    execID: id,
  })
  return stream
}

/** 127 for a program that is not there, as in a shell; 126 for whatever else kept it from running. */
function exitCodeOf(error: unknown): number {
  return (error as { exitCode?: number }).exitCode === exitNotFound ? exitNotFound : exitNotExecutable
}

function refuseStopped(container: ContainerRecord): void {
  if (container.state.status === 'running') return
  throw new TsnetError('conflict', 'not-running', `container ${container.id} is not running`)
}

function attachExec(parts: Parts, { id, spec }: ExecRecord): Promise<Duplex> {
  const { stdin, stdout, stderr, tty, detachKeys } = spec
  return parts.supervisor.attach({
    stream: id,
    stdin,
    stdout,
    stderr,
    tty,
    detachKeys: parseDetachKeys(detachKeys),
  })
}

async function runExec(
  parts: Parts,
  container: ContainerRecord,
  record: ExecRecord,
  options: { rows: number; columns: number },
): Promise<number> {
  const { id, spec } = record
  const plan = compileExec(
    container,
    openCgroup(parts.mark, container.id).joinFiles,
    programOf(container, spec),
    spec.tty,
  )
  const { pid } = await parts.supervisor.call('exec', {
    id,
    plan,
    into: container.state.pid,
    stdio: { tty: spec.tty, stdin: spec.stdin, stdinOnce: true, log: '' },
    rows: options.rows,
    columns: options.columns,
  })
  return pid
}

/** As the container's own program, but with the exec's command, user, directory and more environment. */
function programOf(container: ContainerRecord, spec: ExecSpec): Program {
  const program = compileProgram(container, spec.privileged ? '' : seccompOf(container))
  return {
    ...program,
    argv: spec.argv,
    env: mergeEnv(container.env, spec.env),
    workingDir: spec.workingDir || container.workingDir,
    user: spec.user || container.user,
    capabilities: spec.privileged ? resolveCapabilities({ add: ['ALL'], drop: [] }) : program.capabilities,
  }
}
