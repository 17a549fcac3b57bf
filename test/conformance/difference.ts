/** A place where tsnet answers otherwise than Docker 20.10 on purpose. */
export interface Difference {
  readonly title: string
  readonly reason: string
  /** Parts of the names of the steps in which it shows; everywhere when left out. */
  readonly steps?: readonly string[]
  /** Of a line with its sign: `- ` is Docker's, `+ ` is tsnet's. Every line when left out. */
  readonly lines?: RegExp
}

/** The first that names the line, which a step with that id showed. */
export const explanationOf = (
  differences: readonly Difference[],
  id: string,
  line: string,
): Difference | undefined =>
  differences.find(
    ({ steps, lines }) =>
      (steps === undefined || steps.some((part) => id.includes(part))) &&
      (lines === undefined || lines.test(line)),
  )
