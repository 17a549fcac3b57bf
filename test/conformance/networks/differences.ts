/**
 * Where tsnet answers otherwise than Docker 20.10, and why. Each line in which two answers differ belongs to the first of these that
 * names it; a line that belongs to none is a fault. docs/differences.md shows them with what the two answered.
 */
export interface Difference {
  readonly title: string
  readonly reason: string
  /** Parts of the names of the steps in which it shows; everywhere when left out. */
  readonly steps?: readonly string[]
  /** Of a line with its sign: `- ` is Docker's, `+ ` is tsnet's. Every line when left out. */
  readonly lines?: RegExp
}

export const differences: readonly Difference[] = [
  {
    title: 'Inspect tells more of a network',
    reason: 'Docker tells it too since version 28: whether there is IPv4, and the gateway that was chosen.',
    lines:
      /^\+ (.*\.)?(EnableIPv4: true|(IPAM\.)?Config\[0\]\.Gateway: .*)$|^\+ \[0\]\.Gateway: "10\.1\.7\.64"$/,
  },
  {
    title: 'Refused at create',
    reason:
      'What can be known when a container is created is refused then, and no container that cannot start is left. Docker creates it ' +
      'and refuses to start it; its client gives its hint only in the first case.',
    lines: /^\+ stderr: See 'docker run --help'\.$/,
  },
  {
    title: 'Smaller subnets by default',
    reason:
      'A network has room for 253 containers, so that there is room for thousands of networks; Docker has 31.',
    steps: ["network create: docker network inspect --format '{{range .IPAM.Config}}"],
  },
  {
    title: 'Point-to-point subnets',
    reason: 'A /31 has two usable addresses (RFC 3021), here a gateway and one container.',
    steps: ['narrow'],
  },
  {
    title: 'An overlap is named',
    reason: 'The refusal says with what.',
    lines: /Pool overlaps with other one on this address space/,
  },
  {
    title: 'Who holds an address is named',
    reason:
      'The refusal says who has it: a container, also one that is stopped, the gateway, or the edge of the subnet.',
    lines: /Address already in use/,
  },
  {
    title: 'Pools are checked whole',
    reason:
      'As Docker does since version 25: the bits beyond the prefix must be zero, everything that is wrong is said at once. A container ' +
      'can have an address of any subnet, whoever chose the subnet.',
    steps: [
      'network create --subnet 10.2.1.1/24 x',
      'network create --subnet 10.2.1.0 x',
      'network create --subnet 10.2.1.0/33 x',
      'network create --subnet nonsense x',
      '--ip-range 10.2.1.7/25',
      '--network plain --ip 172.18.0.9',
    ],
  },
  {
    title: 'Several subnets of a family',
    reason: 'A bridge has as many as are asked for. Docker has them for overlay networks only.',
    steps: ['--subnet 10.2.1.0/24 --subnet 10.2.2.0/24'],
  },
  {
    title: 'Options are checked, unknown ones refused',
    reason:
      'A misspelt option would be without effect and nobody would know. The refusal names the option, what was given and what would be right.',
    steps: [
      'network create -o com.docker.network.',
      'network create -o no.such.option=1',
      'driver-opt=a=b',
      '--driver-opt some.option=1',
      'DriverOpts',
    ],
  },
  {
    title: 'Drivers that are not there',
    reason:
      'It is said at once, with the names of those that are; Docker looks for a plugin for 15 seconds. There is no swarm.',
    steps: ['-d nonsense x', '--ipam-driver nonsense x', 'network create -d overlay x'],
  },
  {
    title: 'Networks of a swarm',
    reason: 'There is no swarm: what belongs to one is refused by name.',
    steps: ['--scope swarm x', '--config-only x', '--config-from missing x', '--ingress x'],
  },
  {
    title: 'Names of networks have a grammar',
    reason:
      "They are parts of domain names, of URLs and of options, so the grammar is that of containers' names.",
    steps: ['names of networks: id=$(docker network create'],
  },
  {
    title: 'Filters say what would be right',
    reason: 'What Docker refuses is refused; the text says what is known.',
    lines: /^[-+] stderr: .*([Ii]nvalid filter|invalid value for filter)/,
  },
  {
    title: 'Dangling networks',
    reason:
      'Those without a running container, as Docker 20.10 documents it; it lists networks in use as well.',
    steps: ['-f dangling='],
  },
  {
    title: 'The default network has its own bridge',
    reason:
      'It is named after the daemon, because tsnet works beside dockerd and beside other daemons of its own. What is as usual is not listed as an option.',
    lines: /com\.docker\.network\.(bridge|driver)\.\w+: "/,
  },
  {
    title: 'Who uses a network is named',
    reason: 'As Docker does since version 28.',
    lines: /network used .*has active endpoints/,
  },
  {
    title: 'Containers have names on the default network',
    reason:
      'Names, aliases and the name server 127.0.0.11 are there on every network, so that a program moves from one to another unchanged.',
    steps: [
      '--alias x bridge app',
      'Networks.bridge',
      'docker exec two nslookup one',
      'network disconnect bridge app',
      'docker run --rm box cat /etc/resolv.conf',
      'docker run --rm --dns 9.9.9.9 --dns-search example.org --dns-opt ndots:2 box',
      'docker run --rm --dns-search . box',
    ],
  },
  {
    title: 'resolv.conf says who wrote it',
    reason: 'Its first line tells where names go that are not those of containers.',
    lines: /^\+ # Written by tsnet\. /,
  },
  {
    title: 'Short forms in hosts',
    reason: 'As Docker writes them since version 25: `fe00::` and `ff00::` without a zero.',
    lines: /^[-+] (fe|ff)00::0?\s/,
  },
]

export const explains = ({ steps, lines }: Difference, step: string, line: string): boolean =>
  (steps === undefined || steps.some((part) => step.includes(part))) &&
  (lines === undefined || lines.test(line))
