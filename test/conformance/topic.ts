/** A part of the script: what it leaves is taken away before the next begins. */
export interface Topic {
  readonly title: string
  /** One command a line, for sh(1); a backslash continues it. */
  readonly script: string
}

/** One command with its answer to be compared. */
export interface Step {
  /** Unique in the whole script: topic, command, and a number where the topic gives the command again. */
  readonly id: string
  readonly line: string
}

export function stepsOf({ title, script }: Topic): Step[] {
  const seen = new Map<string, number>()
  return linesOf(script).map((line) => {
    const times = (seen.get(line) ?? 0) + 1
    seen.set(line, times)
    return { id: `${title}: ${line}${times === 1 ? '' : ` (${times})`}`, line }
  })
}

function linesOf(script: string): string[] {
  return script
    .replaceAll(/ \\\n\s*/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}
