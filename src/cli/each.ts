import { errorKind, errorMessage } from '../errors.ts'
import { print, printError } from './command.ts'

/** How several names are gone through. */
export interface Manner {
  /** what does not exist is no failure, but may be told of */
  readonly absence?: 'told' | 'ignored'
  /** one after the other, where the second may depend on what became of the first */
  readonly inTurn?: boolean
}

/** Does `act` to every name, prints in order the names it worked for, then what went wrong. Returns the exit status. */
export async function forEach(
  names: readonly string[],
  act: (name: string) => Promise<unknown>,
  { absence, inTurn = false }: Manner = {},
): Promise<number> {
  const complaints: string[] = []
  let status = 0
  const attempt = (name: string) =>
    act(name).then(
      () => undefined,
      (error: unknown) => ({ error }),
    )
  const running = inTurn ? [] : names.map(attempt)
  for (const [index, name] of names.entries()) {
    const failed = await (running[index] ?? attempt(name))
    const isExcused = failed && absence !== undefined && errorKind(failed.error) === 'not-found'
    if (!failed) print(name)
    else if (!isExcused || absence === 'told') complaints.push(errorMessage(failed.error))
    if (failed && !isExcused) status = 1
  }
  for (const complaint of complaints) printError(complaint)
  return status
}
