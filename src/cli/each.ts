import { errorKind, errorMessage } from '../errors.ts'
import { print, printError } from './command.ts'

/** How several names are gone through. */
export interface Manner {
  /** pass over what does not exist */
  readonly ignoresAbsence?: boolean
  /** one after the other, where the second may depend on what became of the first */
  readonly inTurn?: boolean
}

/** Does `act` to every name, prints in order the names it worked for, then what went wrong. Returns the exit status. */
export async function forEach(
  names: readonly string[],
  act: (name: string) => Promise<unknown>,
  { ignoresAbsence = false, inTurn = false }: Manner = {},
): Promise<number> {
  const failures: string[] = []
  const attempt = (name: string) =>
    act(name).then(
      () => undefined,
      (error: unknown) => ({ error }),
    )
  const running = inTurn ? [] : names.map(attempt)
  for (const [index, name] of names.entries()) {
    const failed = await (running[index] ?? attempt(name))
    if (!failed) print(name)
    else if (!ignoresAbsence || errorKind(failed.error) !== 'not-found')
      failures.push(errorMessage(failed.error))
  }
  for (const failure of failures) printError(failure)
  return failures.length > 0 ? 1 : 0
}
