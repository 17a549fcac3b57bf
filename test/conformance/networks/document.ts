/** docs/differences.md: every intended difference, with its reason and with what the two daemons answered. */
import { type Difference, differences, explains } from './differences.ts'
import type { Step } from './script/topic.ts'

/** What one step showed: the lines of either answer that the other has not. */
export interface Finding {
  readonly step: Step
  readonly lines: readonly string[]
}

export const explanationOf = ({ id }: Step, line: string): Difference | undefined =>
  differences.find((difference) => explains(difference, id, line))

export function renderDifferences(findings: readonly Finding[], steps: number): string {
  return [preamble(steps), ...differences.map((difference) => section(difference, findings))].join('\n')
}

function section(difference: Difference, findings: readonly Finding[]): string {
  const shown = findings.flatMap(({ step, lines }) => {
    const own = lines.filter((line) => explanationOf(step, line) === difference)
    return own.length === 0 ? [] : [{ command: step.line, text: own.join('\n') }]
  })
  const answers = [...Map.groupBy(shown, ({ text }) => text)].map(([text, [first, ...more]]) => {
    const others = more.length === 0 ? '' : `   # and ${more.length} more`
    return `$ ${first!.command}${others}\n${text}\n`
  })
  return `## ${difference.title}\n\n${difference.reason}\n\n\`\`\`diff\n${answers.join('\n')}\`\`\`\n`
}

const preamble = (steps: number) => `# Differences

A script of ${steps} commands, the files in \`test/conformance/networks/script\`, is given to the same \`docker\` client twice: in front of
Docker's own daemon, version 20.10 as Debian 12 has it, and in front of tsnet's. Exit status, output and complaints must be the same,
but for what stands here. Ids, times, MAC addresses and random names are left out of the comparison.

In the answers \`-\` is Docker's line and \`+\` is tsnet's. Where several commands show the same lines, the first stands for all.

This page is made from the answers by \`test/conformance/networks/networks.test.ts\` (\`UPDATE_GOLDEN=1\` writes it anew), which fails
when an answer differs in any other way, and when a difference is gone.
`
