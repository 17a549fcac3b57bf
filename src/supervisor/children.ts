/** The programs that this supervisor owns: containers and execs, from start to the recorded ending. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, constants } from 'node:os'
import type { Duplex } from 'node:stream'
import { TsnetError } from '../errors.ts'
import type { InitPlan, Step } from '../init/steps.ts'
import { openPty } from '../sys/terminal.ts'
import { Gate } from './gate.ts'
import { Hub } from './hub.ts'
import { type Init, type InitPool, spawnInit } from './pool.ts'
import {
  type ChildRecord,
  childDir,
  type ExecParams,
  type ExitRecord,
  type StartParams,
  type StdioSpec,
  type StreamRequest,
} from './protocol.ts'
import { FifoStdio, fifoPaths, makeChildDir, makeFifos, TerminalStdio } from './stdio.ts'

/** A program could not be started; `exitCode` is what a shell would end with. */
export class StartFailed extends TsnetError {
  readonly exitCode: number

  constructor(message: string, exitCode: number) {
    super('invalid', 'start-failed', message)
    this.exitCode = exitCode
  }
}

/** How long after its end a program's output may still trickle in. */
const drainTime = 2_000

/** How long an init that failed is waited for; the kernel may not let go of one that was killed. */
const endTime = 5_000

/** How many containers start at a time. Each is busy on one processor, and now and then waits for the kernel. */
const startsAtOnce = 2 * availableParallelism()

/** ms after which a start keeps no other waiting: on a dead file system, or while it fills a volume, it takes long. */
const startPatience = 500

export class Children {
  readonly #execRoot: string
  readonly #pool: InitPool
  readonly #initPath: string
  readonly #announce: (exit: ExitRecord) => void
  readonly #hubs = new Map<string, Hub>()
  readonly #running = new Map<string, ChildRecord>()
  readonly #exited = new Map<string, ExitRecord>()
  readonly #starts = new Gate(startsAtOnce, startPatience)
  #launching = 0

  constructor(options: {
    execRoot: string
    pool: InitPool
    initPath: string
    announce: (exit: ExitRecord) => void
  }) {
    this.#execRoot = options.execRoot
    this.#pool = options.pool
    this.#initPath = options.initPath
    this.#announce = options.announce
  }

  get running(): readonly ChildRecord[] {
    return [...this.#running.values()]
  }

  isRunning(id: string): boolean {
    return this.#running.has(id)
  }

  /** Whether there are programs to look after, also such as are about to run. */
  get isBusy(): boolean {
    return this.#running.size > 0 || this.#launching > 0
  }

  get exited(): readonly ExitRecord[] {
    return [...this.#exited.values()]
  }

  hub(id: string): Hub {
    const hub = this.#hubs.get(id) ?? new Hub()
    this.#hubs.set(id, hub)
    return hub
  }

  async start(params: StartParams): Promise<number> {
    try {
      return await this.#starts.pass(() => this.#launch(() => this.#pool.take(), params))
    } finally {
      // Afterwards, so that the new container is not kept waiting by the next one's preparation.
      setImmediate(() => this.#pool.refill())
    }
  }

  exec(params: ExecParams): Promise<number> {
    // A pid that has gone may be anybody's by now, also that of a program of the host.
    if (![...this.#running.values()].some((child) => child.pid === params.into && isAlive(child)))
      throw new TsnetError('conflict', 'child-gone', `process ${params.into} is not running`)
    return this.#launch(() => spawnInit(this.#initPath, params.into), params, params)
  }

  async #launch(takeInit: () => Init, params: StartParams, exec?: ExecParams): Promise<number> {
    const { id, stdio } = params
    if (this.#running.has(id)) throw new TsnetError('conflict', 'child-exists', `${id} runs already`)
    let init: Init | null = null
    this.#launching++
    try {
      init = takeInit()
      await this.#run(init, params, exec)
    } catch (error) {
      init?.dismiss()
      await init?.ended(endTime)
      this.#drop(id)
      throw error
    } finally {
      this.#launching--
    }
    this.#adopt({ id, pid: init.pid, startTime: readStartTime(init.pid), stdio })
    void init.exited.then(({ code, signal }) => this.finished(id, exitCodeOf(code, signal)))
    return init.pid
  }

  /** Resolves when the program runs. */
  async #run(init: Init, params: StartParams, exec?: ExecParams): Promise<void> {
    const { id, stdio } = params
    const hub = this.hub(id)
    makeChildDir(childDir(this.#execRoot, id))
    const finish = stdio.tty ? this.#openTerminal(init, hub, params, exec) : this.#openFifos(hub, params)
    const plan = withStdio(params.plan, stdio, childDir(this.#execRoot, id), finish.terminal)
    const outcome = await init.run(plan)
    finish.started()
    if (outcome.kind === 'failed') throw new StartFailed(outcome.message, outcome.exitCode)
  }

  #openFifos(hub: Hub, { id, stdio }: StartParams): { terminal: number | null; started: () => void } {
    const directory = childDir(this.#execRoot, id)
    const paths = fifoPaths(directory, stdio.stdin)
    makeFifos(paths)
    const fifos = new FifoStdio(paths)
    hub.open(stdio, fifos)
    return { terminal: null, started: () => fifos.releaseKeepers() }
  }

  #openTerminal(
    init: Init,
    hub: Hub,
    { stdio, rows, columns }: StartParams,
    exec?: ExecParams,
  ): { terminal: number | null; started: () => void } {
    const open = (pid: number): number => {
      const pty = openPty(`/proc/${pid}/root`)
      hub.open(stdio, new TerminalStdio(pty.master))
      // The program may ask for it at once, before any client has told.
      if (rows > 0 && columns > 0) hub.resize(rows, columns)
      return pty.number
    }
    if (exec !== undefined) return { terminal: open(exec.into), started: () => {} }
    init.openTerminal = () => open(init.pid)
    return { terminal: null, started: () => {} }
  }

  #adopt(child: ChildRecord): void {
    this.#running.set(child.id, child)
    this.#exited.delete(child.id)
    const directory = childDir(this.#execRoot, child.id)
    writeJson(directory, 'child.json', child)
  }

  /** A program has ended: its last output is read, its status written to disk, then announced. */
  async finished(id: string, exitCode: number): Promise<void> {
    const hub = this.hub(id)
    await Promise.race([hub.drained(), new Promise((resolve) => setTimeout(resolve, drainTime).unref())])
    // Whoever follows the log stops reading at the announcement.
    hub.flushLog()
    const exit: ExitRecord = { id, exitCode, finishedAt: new Date().toISOString() }
    writeJson(childDir(this.#execRoot, id), 'exit.json', exit)
    this.#running.delete(id)
    this.#exited.set(id, exit)
    this.#announce(exit)
  }

  /** An ending that a former supervisor has written down. */
  recall(exit: ExitRecord): void {
    this.#exited.set(exit.id, exit)
  }

  /** A program that a former supervisor started. A terminal has hung up with that supervisor. */
  readopt(child: ChildRecord): void {
    this.#running.set(child.id, child)
    if (child.stdio.tty) return
    const fifos = new FifoStdio(fifoPaths(childDir(this.#execRoot, child.id), child.stdio.stdin))
    this.hub(child.id).open(child.stdio, fifos)
    // The program holds its ends open.
    fifos.releaseKeepers()
  }

  attach(connection: Duplex, request: StreamRequest, head: Buffer): void {
    this.hub(request.stream).attach(connection, request, head)
  }

  signal(id: string, signal: number): void {
    const child = this.#running.get(id)
    if (child === undefined || !isAlive(child))
      throw new TsnetError('conflict', 'child-gone', `${id} is not running`)
    process.kill(child.pid, signal)
  }

  resize(id: string, rows: number, columns: number): void {
    this.#hubs.get(id)?.resize(rows, columns)
  }

  forget(id: string): void {
    if (this.#running.has(id)) return
    this.#drop(id)
  }

  #drop(id: string): void {
    this.#exited.delete(id)
    this.#hubs.get(id)?.end()
    this.#hubs.delete(id)
    rmSync(childDir(this.#execRoot, id), { recursive: true, force: true })
  }
}

/** Between a program's end and its announcement its pid may already be another's. */
function isAlive({ pid, startTime }: ChildRecord): boolean {
  return readStartTime(pid) === startTime
}

function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal])
}

/** Completes a plan with what only the supervisor knows: the FIFOs' paths or the terminal's number. */
function withStdio(plan: InitPlan, stdio: StdioSpec, directory: string, terminal: number | null): InitPlan {
  if (stdio.tty) {
    const steps = plan.steps.map(
      (step): Step => (step.op === 'terminal' ? { ...step, number: terminal } : step),
    )
    return { ...plan, steps }
  }
  return { ...plan, steps: [{ op: 'open-stdio', ...fifoPaths(directory, stdio.stdin) }, ...plan.steps] }
}

/** Field 22 of /proc/PID/stat (proc(5)); the second field may contain anything but ends with the last ')'. */
export function readStartTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}

/** Written aside and renamed: a reader sees the whole of it or nothing. */
function writeJson(directory: string, name: string, value: unknown): void {
  try {
    writeFileSync(`${directory}/${name}.new`, JSON.stringify(value))
    renameSync(`${directory}/${name}.new`, `${directory}/${name}`)
  } catch (error) {
    process.stderr.write(`tsnet supervisor: ${directory}/${name}: ${(error as Error).message}\n`)
  }
}
