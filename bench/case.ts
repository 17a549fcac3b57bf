/** What a benchmark is. A new one is a new file in bench/cases/ that exports a Case as default. */
import type { Stage } from './stage.ts'

export interface Case {
  /** As given on the command line. */
  readonly name: string
  readonly title: string
  /** One or two sentences for the document: what is measured, and how. */
  readonly about: string
  /** Lower comes first in the document. */
  readonly order: number
  /** Runs only when it is named, for the whole run has no time for it; then its figures are written into a document of their own. */
  readonly apart?: boolean
  /** Yields what can be measured now; the code after a yield takes it down again. */
  rows(stage: Stage): AsyncGenerator<Row>
}

export interface Row {
  readonly title: string
  readonly unit: 'ms' | 'MiB'
  /** Overrides the run's number of rounds, for what takes long or does not vary. */
  readonly rounds?: number
  readonly contestants: readonly Contestant[]
}

export interface Contestant {
  readonly name: string
  /** Does the thing once and answers what it took, in the row's unit. What must not be counted stays outside its clock. */
  sample(): Promise<number>
}
