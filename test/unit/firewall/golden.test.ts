import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, it } from 'vitest'
import { renderAll } from '../../../src/firewall/iptables-ruleset.ts'
import { createTable } from '../../../src/firewall/nft-ruleset.ts'
import type { Rule } from '../../../src/firewall/rules.ts'
import { cases } from './cases.ts'

const root = new URL('../../../', import.meta.url).pathname
const families = [4, 6] as const

/** Each family that has a part in the rules. */
function render(rules: readonly Rule[], one: (family: 4 | 6, rules: readonly Rule[]) => string): string {
  return families
    .map((family) => [family, rules.filter((rule) => rule.family === family)] as const)
    .filter(([, own]) => own.length > 0)
    .map(([family, own]) => one(family, own))
    .join('\n')
}

const renderers = {
  nftables: (rules: readonly Rule[]) => render(rules, (family, own) => createTable('tsnet', family, own)),
  iptables: (rules: readonly Rule[]) =>
    render(
      rules,
      (family, own) =>
        `# ${family === 4 ? 'iptables' : 'ip6tables'}-restore --noflush\n${renderAll('', family, own, '')}`,
    ),
} as const

/** The file must hold `text`; with UPDATE_GOLDEN=1 it is made to. */
function expectFile(path: string, text: string): void {
  if (process.env['UPDATE_GOLDEN'] === '1') {
    mkdirSync(dirname(root + path), { recursive: true })
    writeFileSync(root + path, text)
  }
  expect(
    readFileSync(root + path, 'utf8'),
    `${path} is stale: look at the difference, then UPDATE_GOLDEN=1`,
  ).toBe(text)
}

describe.each(['nftables', 'iptables'] as const)('the rules for %s', (backend) => {
  it.each(cases)('are as they were for $name', ({ name, rules }) => {
    expectFile(`test/golden/firewall/${backend}/${name}.txt`, renderers[backend](rules))
  })
})

const introduction = `# The firewall

This page is made from the rules themselves by \`test/unit/firewall/golden.test.ts\`.

tsnet writes its rules with nftables, in process, where \`libnftables.so.1\` is installed, else with
\`iptables-restore\` and \`ip6tables-restore\`; \`--firewall-backend\` says otherwise. With \`auto\` it takes iptables also where
the \`FORWARD\` chain of iptables has the policy \`DROP\`, because then only a rule in that chain lets packets through. Both
backends do the same:

- A network's containers reach each other and, unless the network is internal, other hosts; what they send leaves the
  host under the host's address, unless masquerading is off.
- Nothing enters a network but answers and what was sent to a published port: not from other networks, and not from
  neighbours who route to a container's address directly.
- A published port leads to its container from other hosts, whose addresses the container sees; from the host itself,
  by any of its addresses and 127.0.0.1; and from containers, by the host's addresses. \`::1\`, and IPv6 in front of a
  container that has only IPv4, go through a proxy in the daemon.
- A port published on 127.0.0.1 is for the host alone, and no container reaches the host's loopback addresses.
- An internal network is reached by the host and by nobody else, and reaches nobody else.
- \`net.ipv4.ip_forward\` and \`net.ipv6.conf.all.forwarding\` are switched on with the first rule of their family. Policies of
  chains that are not tsnet's stay as they are.

All that is tsnet's stands in the tables \`ip tsnet\` and \`ip6 tsnet\`, or in chains \`TSNET-…\`, and carries the comment
\`tsnet:\` with the short id of its network or endpoint. A daemon with another data root appends an instance's name.

## Rules of your own

Chain \`user\` of the table (\`TSNET-USER\` with iptables) is asked before any forwarding rule of tsnet's. tsnet makes it
once and never changes or removes rules in it. Addresses and ports there are those after translation; the port that the
client asked for is \`ct original proto-dst\` (\`-m conntrack --ctorigdstport\`):

    nft add rule ip tsnet user ip saddr != 10.0.0.0/8 ct original proto-dst 8080 drop
    iptables -A TSNET-USER ! -s 10.0.0.0/8 -p tcp -m conntrack --ctorigdstport 8080 -j DROP
`

function document(): string {
  const sections = cases.map(({ title, text, rules }) => {
    const block = (backend: keyof typeof renderers) => `\`\`\`\n${renderers[backend](rules)}\`\`\`\n`
    return `\n## ${title}\n\n${text}\n\nnftables:\n\n${block('nftables')}\niptables:\n\n${block('iptables')}`
  })
  return introduction + sections.join('')
}

describe('docs/firewall.md', () => {
  it('shows the rules that are really written', () => {
    expectFile('docs/firewall.md', document())
  })
})
