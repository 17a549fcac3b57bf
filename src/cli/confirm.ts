import { createInterface } from 'node:readline/promises'
import { ExitError } from './command.ts'

/** Asks on standard output and reads a line from standard input. Throws what ends the program unless the user says yes. */
export async function confirm(warning: string, cancelled: string): Promise<void> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  try {
    const ended = new Promise<string>((resolve) => terminal.once('close', () => resolve('')))
    const answer = await Promise.race([
      terminal.question(`WARNING! ${warning}\nAre you sure you want to continue? [y/N] `),
      ended,
    ])
    if (answer.trim().toLowerCase() !== 'y') throw new ExitError(1, cancelled)
  } finally {
    terminal.close()
  }
}
