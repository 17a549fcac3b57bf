/** One run of a plugin's program. It may hang, die, print without end or leave children behind: nobody else notices. */
import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { TsnetError } from '../errors.ts'

export interface ProgramCall {
  readonly plugin: string
  /** Where programs are looked for, in that order. */
  readonly directories: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly input: string
  /** Milliseconds; the signal may be earlier. */
  readonly deadline: number
  readonly signal?: AbortSignal
}

export interface ProgramResult {
  readonly isSuccess: boolean
  readonly stdout: string
  readonly stderr: string
}

/** bytes; results have a few hundred */
const outputLimit = 4 * 1024 * 1024
/** Milliseconds for which what it has started may hold its output open after its end. */
const grace = 200

/** The program's path. Throws kind 'unavailable' when it is in none of the directories. */
export async function findProgram(plugin: string, directories: readonly string[]): Promise<string> {
  for (const directory of directories) {
    const path = join(directory, plugin)
    try {
      await access(path, constants.X_OK)
      return path
    } catch {}
  }
  throw new TsnetError(
    'unavailable',
    'cni-missing',
    `CNI plugin ${plugin} is in none of ${directories.join(', ')}: install it (apt install containernetworking-plugins has the usual ones)`,
  )
}

/** Throws kind 'unavailable' when it is missing or does not end in time, 'internal' for output without end. */
export async function runProgram(call: ProgramCall): Promise<ProgramResult> {
  const { plugin, directories, environment, input, deadline, signal } = call
  const path = await findProgram(plugin, directories)
  const limit = AbortSignal.timeout(deadline)
  const end = signal === undefined ? limit : AbortSignal.any([limit, signal])
  end.throwIfAborted()
  // In a process group of its own, with what it starts, such as the plugin that gives addresses.
  const child = spawn(path, [], { env: { ...process.env, ...environment }, detached: true, stdio: 'pipe' })
  const failure = Promise.withResolvers<never>()
  const giveUp = (error: TsnetError): void => {
    killGroup(child)
    failure.reject(error)
  }
  const late = (): void => giveUp(silent(plugin, environment['CNI_COMMAND'] ?? ''))
  end.addEventListener('abort', late, { once: true })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  try {
    return await Promise.race([collect(plugin, child, giveUp), failure.promise])
  } finally {
    end.removeEventListener('abort', late)
    for (const stream of child.stdio) stream?.destroy()
  }
}

function collect(
  plugin: string,
  child: ChildProcess,
  giveUp: (error: TsnetError) => void,
): Promise<ProgramResult> {
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (chunk: string) => {
      texts[name] += chunk
      if (texts[name].length > outputLimit) giveUp(endless(plugin))
    })
  }
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(unstartable(plugin, error)))
    const finish = (): void => resolve({ isSuccess: child.exitCode === 0, ...texts })
    child.on('exit', () => setTimeout(finish, grace).unref())
    child.on('close', finish)
  })
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function silent(plugin: string, verb: string): TsnetError {
  const text = `CNI plugin ${plugin} (${verb}) did not end in time and was killed`
  return new TsnetError('unavailable', 'cni-silent', text)
}

function endless(plugin: string): TsnetError {
  const text = `CNI plugin ${plugin}: its result is wrong: it has more than ${outputLimit} bytes`
  return new TsnetError('internal', 'cni-answer', text)
}

function unstartable(plugin: string, error: Error): TsnetError {
  return new TsnetError('unavailable', 'cni-missing', `CNI plugin ${plugin} does not start: ${error.message}`)
}
