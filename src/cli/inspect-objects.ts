/** What every `inspect` does: fetch, then print as JSON or through a template. */
import { errorMessage } from '../errors.ts'
import { text } from './argv.ts'
import { ExitError, print, printError } from './command.ts'
import { evaluateTemplate } from './template/evaluate.ts'
import { type Node, parseTemplate } from './template/parse.ts'

/** The flag that every `inspect` has. */
export const inspectFlags = {
  format: text('Format output using a custom template: "json" or a Go template', { short: 'f' }),
}

/** Prints what `fetch` gives for each name, then what went wrong. Returns the exit status. */
export async function inspectObjects(
  names: readonly string[],
  format: string,
  fetch: (name: string) => Promise<unknown>,
): Promise<number> {
  const template = format === '' || format === 'json' ? undefined : readTemplate(format)
  const found: unknown[] = []
  const failures: string[] = []
  for (const name of names) {
    try {
      const object = await fetch(name)
      found.push(template ? evaluateTemplate(template, object) : object)
    } catch (error) {
      failures.push(errorMessage(error))
    }
  }
  print(template ? found.join('\n') : formatJson(found, format))
  for (const failure of failures) printError(failure)
  return failures.length > 0 ? 1 : 0
}

function readTemplate(format: string): readonly Node[] {
  try {
    return parseTemplate(format)
  } catch (error) {
    throw new ExitError(64, errorMessage(error))
  }
}

function formatJson(objects: readonly unknown[], format: string): string {
  return JSON.stringify(objects, null, format === 'json' ? 0 : 4)
}
