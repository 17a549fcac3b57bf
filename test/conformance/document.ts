/** A page of docs/differences: every intended difference, with its reason and with what the two daemons answered. */
import { type Difference, explanationOf } from './difference.ts'
import type { Step } from './topic.ts'

/** What one step showed: the lines of either answer that the other has not. */
export interface Finding {
  readonly step: Step
  readonly lines: readonly string[]
}

export const renderDifferences = (
  subject: string,
  differences: readonly Difference[],
  findings: readonly Finding[],
): string =>
  [
    preamble(subject, findings.length),
    ...differences.map((difference) => section(difference, linesOf(difference, differences, findings))),
  ].join('\n')

/** The steps in which a difference shows, with the lines that are its own. */
export function linesOf(
  difference: Difference,
  differences: readonly Difference[],
  findings: readonly Finding[],
): Finding[] {
  return findings
    .map(({ step, lines }) => ({
      step,
      lines: lines.filter((line) => explanationOf(differences, step.id, line) === difference),
    }))
    .filter(({ lines }) => lines.length > 0)
}

function section({ title, reason }: Difference, findings: readonly Finding[]): string {
  const answers = [...Map.groupBy(findings, ({ lines }) => lines.join('\n'))].map(
    ([text, [first, ...more]]) => {
      const others = more.length === 0 ? '' : `   # and ${more.length} more`
      return `$ ${first!.step.line}${others}\n${text}\n`
    },
  )
  return `## ${title}\n\n${reason}\n\n\`\`\`diff\n${answers.join('\n')}\`\`\`\n`
}

const preamble = (subject: string, steps: number) => `# Differences: ${subject}

A script of ${steps} commands, the files in \`test/conformance/${subject}/script\`, is given to the same \`docker\` client twice: in front of
Docker's own daemon, version 20.10 as Debian 12 has it, and in front of tsnet's. Exit status, output and complaints must be the same,
but for what stands here. Ids, times, MAC addresses and random names are left out of the comparison.

In the answers \`-\` is Docker's line and \`+\` is tsnet's. Where several commands show the same lines, the first stands for all.

This page is made from the answers by \`test/conformance/${subject}/${subject}.test.ts\` (\`UPDATE_GOLDEN=1\` writes it anew), which fails
when an answer differs in any other way, and when a difference is gone.
`
