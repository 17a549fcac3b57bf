import { errorKind, errorMessage } from '../errors.ts'
import { print, printError } from './command.ts'

/**
 * Does `act` to every name at once, prints in order the names it worked for, then what went wrong. With `ignoresAbsence`
 * what does not exist is passed over. Returns the exit status.
 */
export async function forEach(
  names: readonly string[],
  act: (name: string) => Promise<unknown>,
  ignoresAbsence = false,
): Promise<number> {
  const failures: string[] = []
  const running = names.map((name) =>
    act(name).then(
      () => undefined,
      (error: unknown) => ({ error }),
    ),
  )
  for (const [index, outcome] of running.entries()) {
    const failed = await outcome
    if (!failed) print(names[index]!)
    else if (!ignoresAbsence || errorKind(failed.error) !== 'not-found')
      failures.push(errorMessage(failed.error))
  }
  for (const failure of failures) printError(failure)
  return failures.length > 0 ? 1 : 0
}
