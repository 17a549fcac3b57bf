/** A command on a terminal of its own, by script(1). */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

const patience = 20_000

export class Terminal implements AsyncDisposable {
  readonly #child: ChildProcess
  #shown = ''
  #more = Promise.withResolvers<void>()

  /** `script` is for sh(1); the terminal has 33 rows and 111 columns. */
  constructor(script: string, env: Readonly<Record<string, string>> = {}) {
    const command = `stty rows 33 cols 111; ${script}`
    this.#child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#child.stdout?.on('data', (chunk: Buffer) => this.#take(chunk.toString()))
    this.#child.on('exit', () => this.#take(''))
  }

  #take(text: string): void {
    this.#shown += text
    this.#more.resolve()
    this.#more = Promise.withResolvers()
  }

  /** Everything that was shown so far. */
  get shown(): string {
    return this.#shown
  }

  type(keys: string): void {
    this.#child.stdin?.write(keys)
  }

  /** Resolves with the match once it is shown; throws when the command ends or takes too long without it. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    const late = AbortSignal.timeout(patience)
    const over = once(late, 'abort')
    for (;;) {
      const found = pattern.exec(this.#shown)
      if (found) return found
      if (late.aborted || this.#child.exitCode !== null) {
        throw new Error(`${pattern} was not shown, but ${JSON.stringify(this.#shown)}`)
      }
      await Promise.race([this.#more.promise, over])
    }
  }

  /** The exit status. */
  async end(): Promise<number> {
    if (this.#child.exitCode === null) await once(this.#child, 'close')
    return this.#child.exitCode ?? -1
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'close')
  }
}
