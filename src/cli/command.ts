/** What a command is, and what it gets to work with. */
import type { FlagTable, FlagValues } from './argv.ts'
import type { Client } from './client.ts'

/** One call of a command, read and checked. */
export interface Invocation<F extends FlagTable> {
  readonly client: Client
  readonly flags: FlagValues<F>
  readonly given: ReadonlySet<string>
  /** what follows the flags; its count is already checked */
  readonly args: readonly string[]
}

/** A command of the user's; its name is the one under which commands.ts lists it. */
export interface Command<F extends FlagTable = FlagTable> {
  /** what follows the command's name in the usage line */
  readonly usage: string
  readonly summary: string
  readonly flags: F
  /** the least and the most arguments besides flags */
  readonly arity: readonly [least: number, most: number]
  /** false when flags after the first argument belong to the program in the container */
  readonly interspersed?: false
  /** the exit status of errors; Docker's run and create answer 125 */
  readonly failure?: 125
  /** Returns the exit status. */
  run(invocation: Invocation<F>): Promise<number>
}

/** Gives `run` the types of its own flags. */
export function defineCommand<const F extends FlagTable>(command: Command<F>): Command {
  return command as unknown as Command
}

/** Ends the program with `status` after printing `message`, or silently when it is ''. */
export class ExitError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'ExitError'
    this.status = status
  }
}

/** A line on standard output. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** A line on standard error. */
export function printError(line: string): void {
  process.stderr.write(`${line}\n`)
}
