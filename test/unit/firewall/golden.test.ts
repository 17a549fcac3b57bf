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
the \`FORWARD\` chain of iptables has the policy \`DROP\`. Both backends do the same, and the same tests hold for both:

- A network's containers reach each other and, unless the network is internal, other hosts; what they send leaves the
  host under the host's address, unless masquerading is off, or under a fixed one.
- Nothing enters a network but answers and what was sent to a published port: not from other networks, and not from
  neighbours who route to a container's address directly.
- A published port leads to its container from other hosts, whose addresses the container sees; from the host itself,
  by any of its addresses and 127.0.0.1; and from containers, by the host's addresses. \`::1\`, and IPv6 in front of a
  container that has only IPv4, go through a proxy in the daemon.
- A port may be for those who come in by one interface, or from some addresses only. For all others it is as if it were
  not published, the host itself included.
- A port published on an address of 127.0.0.0/8 is for the host alone, also where \`route_localnet\` lets packets for such
  addresses in, and no container reaches the host's loopback addresses.
- What a container may reach can be limited (\`--egress\`, see [egress.md](egress.md)). It is known by its bridge and its
  hardware address.
- An internal network is reached by the host and by nobody else, and reaches nobody else.

What a network's gateway mode changes:

| mode | out of the network | into the network |
|---|---|---|
| \`nat\` | the host's address | published ports, by the host's addresses |
| \`nat-unprotected\` | the host's address | that, and directly every port of every container, but not from other networks |
| \`routed\` | its own addresses | directly the published container ports, and pings; nothing by the host's addresses |
| \`isolated\` | nothing | nothing, from the host neither |

Who comes in by one of a network's trusted interfaces (\`com.docker.network.bridge.trusted_host_interfaces\`) reaches published
ports at the containers' own addresses too, by the containers' own port numbers; not those that are published on a loopback address.
With \`--allow-direct-routing\` so does everybody who has a route there.

All that is tsnet's stands in the tables \`ip tsnet\` and \`ip6 tsnet\`, or in chains \`TSNET-…\`; what belongs to a network, and in
nftables what belongs to a port, carries the comment \`tsnet:\` with the short id of its network or endpoint. A daemon with
another data root appends an instance's name.

## Beside other rules

- Tables and chains of others stay as they are, and so do policies. tsnet loads no \`br_netfilter\`.
- Where the \`FORWARD\` chain of one of the kernel's two iptables (nft and legacy) has the policy \`DROP\`, an accept elsewhere does
  not help. There a chain \`TSNET-OPENING\`, reached from \`FORWARD\`, lets packets of tsnet's bridges through, and tsnet's own
  rules decide. A policy that is changed later is followed: in iptables-nft at once, in iptables-legacy when a network comes or
  goes. Of a chain in another table of nftables that drops what it does not accept, the log tells at start.
- What others do to tsnet's rules, from \`nft flush ruleset\` to the deletion of a single one, is made good within two
  seconds: the kernel tells of each change, and when it concerns tsnet's the whole, each rule at its place in its chain, is
  compared with what should stand. Where in a chain of iptables' own the jump to tsnet's stands is left to others. Of
  changes of iptables-legacy nobody tells; there the rules are looked at again and again. Each repair is a line of the log
  and an event (\`type=daemon\`, \`repair\`). Where another program undoes every repair, the pauses between them grow after the
  fifth, up to a minute.
- \`net.ipv4.ip_forward\` and \`net.ipv6.conf.all.forwarding\` are switched on with the first rule of their family. A host that
  forwards IPv6 forgets the routes that routers advertised, unless \`accept_ra\` is 2: so it becomes on links that have such
  routes and \`accept_ra\` 1, and the log says so.

## Rules of your own

Chain \`user\` of the table (\`TSNET-USER\` with iptables) is asked before any forwarding rule of tsnet's. tsnet makes it
once and never changes or removes rules in it. Sets and chains that you put beside it for its rules stay yours as well. Addresses and ports there are those after translation; the port that the
client asked for is \`ct original proto-dst\` (\`-m conntrack --ctorigdstport\`):

    nft add rule ip tsnet user ip saddr != 10.0.0.0/8 ct original proto-dst 8080 drop
    iptables -A TSNET-USER ! -s 10.0.0.0/8 -p tcp -m conntrack --ctorigdstport 8080 -j DROP

## Chains

| nftables | iptables | what it does |
|---|---|---|
| \`forward\` | \`TSNET-FORWARD\` | asks the following in turn about each packet that the host forwards |
| \`user\` | \`TSNET-USER\` | holds rules of yours |
| \`within\` (a set) | \`TSNET-WITHIN\` | lets through what stays within a network: such packets are seen only where \`br_netfilter\` is loaded |
| \`input\` | jump from \`INPUT\` | asks the following about each packet for the host itself |
| \`egress\` | \`TSNET-EGRESS\`, \`TSNET-from-…\` | drops, and counts, what a container sends that may not reach everything, but answers and what is allowed |
| \`internal\` (a set) | \`TSNET-INTERNAL\` | drops what enters or leaves an internal network |
| \`clamped\` (a set) | \`TSNET-CLAMP\` | of networks with an MTU of their own: TCP connections agree on segments that fit the way |
| \`inbound\` | \`TSNET-INTO\` | decides what enters a network: answers, translated packets, open ports |
| \`open…\` (sets) | \`TSNET-OPEN\`, \`TSNET-to-…\` | the container ports that are published in the mode \`routed\`, or reached by a trusted interface |
| \`bridges\`, \`unprotected\` (sets) | \`TSNET-BETWEEN\` | keeps other networks out of one that is otherwise unprotected |
| \`bridges\` (a set) | \`TSNET-OUT\` | lets out what leaves a network |
| \`prerouting\`, \`output\` | jumps from \`PREROUTING\`, \`OUTPUT\` | send what goes to an address of the host's to the published ports |
| \`publish\` | \`TSNET-PUBLISH\`, \`TSNET-tcp-…\`, \`TSNET-udp-…\`, \`TSNET-sctp-…\` | translate the host's addresses and ports into those of containers |
| \`postrouting\` | \`TSNET-MASQUERADE\` | translates the source addresses of what leaves a network, or returns to it by the host |
| \`guard\` | \`TSNET-LOOPBACK\` | drops what comes from outside or a container for loopback addresses |
| \`guard\` | \`TSNET-ISOLATED\` | drops what comes from an isolated network for the host |
|  | \`TSNET-OPENING\` | lets bridges through a closed \`FORWARD\`, see above |

With nftables networks and ports are elements of sets and maps. A range that keeps its numbers is one element; one that
does not takes an element for each port, because nftables cannot keep an offset. With iptables a range is one rule in
either case, and ports stand in chains of 256 host ports, or of the container addresses with the same last byte, which come
and go with their ports: what publishing one more costs does not depend on how many there are.
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

  it.each(['nftables', 'iptables'] as const)('explains every chain of %s', (backend) => {
    const written = cases.map(({ rules }) => renderers[backend](rules)).join('')
    const chains = [...written.matchAll(/^ {2}chain (\S+)|^:(TSNET-[A-Za-z]+)/gm)].map(
      ([, nft, iptables]) => nft ?? iptables ?? '',
    )
    expect(chains.length).toBeGreaterThan(5)
    for (const chain of new Set(chains)) expect(introduction).toMatch(new RegExp(`\`${chain}(-…)?\``))
  })
})
