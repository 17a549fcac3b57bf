import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'

export type Argv = readonly [string, ...string[]]

/** Long enough for the slowest peer on a busy machine. */
const COMMAND_DEADLINE_MS = 60_000

/** Runs a command to its end and answers its milliseconds. Throws with its standard error unless it exits with 0. */
export async function timeCommand(argv: Argv, options: SpawnOptions = {}): Promise<number> {
  const began = performance.now()
  const child = start(argv, { timeout: COMMAND_DEADLINE_MS, ...options, stdio: ['ignore', 'ignore', 'pipe'] })
  let complaint = ''
  child.stderr?.on('data', (chunk) => {
    complaint += chunk
  })
  const [code, signal] = await once(child, 'exit')
  const took = performance.now() - began
  // What the command left running (conmon, a detached container) may hold the pipe open for good.
  if (code !== 0) await Promise.race([once(child, 'close'), sleep(500)])
  child.stderr?.destroy()
  if (code !== 0) throw new Error(`${argv.join(' ')}: ended with ${code ?? signal}: ${complaint.trim()}`)
  return took
}

/** Runs a command and answers what it wrote to standard output. */
export async function readCommand(argv: Argv, options: SpawnOptions = {}): Promise<string> {
  const child = start(argv, {
    timeout: COMMAND_DEADLINE_MS,
    ...options,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout?.on('data', (chunk) => {
    text += chunk
  })
  const [code, signal] = await once(child, 'close')
  if (code !== 0) throw new Error(`${argv.join(' ')}: ended with ${code ?? signal}`)
  return text.trim()
}

/** Feeds `input` to a command. */
export async function feedCommand(argv: Argv, input: Buffer): Promise<void> {
  const child = start(argv, { stdio: ['pipe', 'ignore', 'inherit'] })
  child.stdin?.end(input)
  const [code, signal] = await once(child, 'close')
  if (code !== 0) throw new Error(`${argv.join(' ')}: ended with ${code ?? signal}`)
}

function start(argv: Argv, options: SpawnOptions): ChildProcess {
  const [program, ...rest] = argv
  return spawn(program, rest, options)
}

/** Asks a process to end, and kills it where it does not within five seconds. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const late = sleep(5_000, 'late', { ref: false })
  if ((await Promise.race([ended, late])) === 'late') child.kill('SIGKILL')
  await ended
}

/** Tries `attempt` until it answers without throwing, every 20 ms; throws its last error after `seconds`. */
export async function eventually<T>(seconds: number, attempt: () => Promise<T>): Promise<T> {
  const end = performance.now() + seconds * 1000
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (performance.now() > end) throw error
      await sleep(20)
    }
  }
}
