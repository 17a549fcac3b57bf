/** The flags that `run` and `create` share. */
import { type FlagValues, integer, list, map, text, toggle, value } from './argv.ts'
import { badValue } from './values/bad-value.ts'
import { parseEgress } from './values/egress.ts'
import { parseDnsSearch, parseDnsServer, parseHostEntry } from './values/host-entry.ts'
import { checkSysctl, parseEnv, parseLabel } from './values/key-value.ts'
import { parseLink } from './values/link.ts'
import { parseMount } from './values/mount.ts'
import { parseIpFlag, parseNetwork } from './values/network.ts'
import { parseBytes, parseCpus, parseSwapBytes } from './values/size.ts'
import { parseUlimit } from './values/ulimit.ts'

const network = list('Connect a container to a network', { placeholder: 'network', parse: parseNetwork })
const networkAlias = list('Add network-scoped alias for the container')
const dnsOption = list('Set DNS options')

/**
 * Values are read here as far as one flag alone tells: what they mean together, and everything that needs files, is
 * create-body.ts's. Flags that are not here are unknown to the user, as they would be refused by the daemon anyway.
 */
export const containerFlags = {
  'add-host': list('Add a custom host-to-IP mapping (host:ip)', { parse: parseHostEntry }),
  attach: list('Attach to STDIN, STDOUT or STDERR', { short: 'a', parse: parseAttach }),
  'cap-add': list('Add Linux capabilities'),
  'cap-drop': list('Drop Linux capabilities'),
  cidfile: text('Write the container ID to the file'),
  'cpu-period': integer('Limit CPU CFS (Completely Fair Scheduler) period'),
  'cpu-quota': integer('Limit CPU CFS (Completely Fair Scheduler) quota'),
  'cpu-shares': integer('CPU shares (relative weight)', { short: 'c' }),
  cpus: value('Number of CPUs', 'decimal', 0, parseCpus),
  'cpuset-cpus': text('CPUs in which to allow execution (0-3, 0,1)'),
  'cpuset-mems': text('MEMs in which to allow execution (0-3, 0,1)'),
  dns: list('Set custom DNS servers', { parse: parseDnsServer }),
  'dns-opt': { ...dnsOption, hidden: true as const },
  'dns-option': dnsOption,
  'dns-search': list('Set custom DNS search domains', { parse: parseDnsSearch }),
  domainname: text('Container NIS domain name'),
  egress: list(
    'What the container may reach outside its networks (any, deny, allow=10.0.0.0/8:5432,example.com:443)',
    {
      placeholder: 'policy',
      parse: parseEgress,
    },
  ),
  entrypoint: text('Overwrite the default ENTRYPOINT of the image'),
  env: list('Set environment variables', { short: 'e', parse: (one) => parseEnv(one, process.env) }),
  'env-file': list('Read in a file of environment variables'),
  expose: list('Expose a port or a range of ports'),
  'group-add': list('Add additional groups to join'),
  hostname: text('Container host name', { short: 'h' }),
  init: toggle('Run an init inside the container that forwards signals and reaps processes'),
  interactive: toggle('Keep STDIN open even if not attached', { short: 'i' }),
  ip: value('IPv4 address (e.g., 172.30.100.104)', 'ip', '', parseIpFlag),
  ip6: value('IPv6 address (e.g., 2001:db8::33)', 'ip', '', parseIpFlag),
  label: list('Set meta data on a container', { short: 'l', parse: parseLabel }),
  'label-file': list('Read in a line delimited file of labels'),
  link: list('Add link to another container', { parse: parseLink }),
  'link-local-ip': list('Container IPv4/IPv6 link-local addresses', {
    placeholder: 'ip',
    parse: parseIpFlag,
  }),
  'mac-address': text('Container MAC address (e.g., 92:d0:c6:0a:29:33)'),
  memory: value('Memory limit', 'bytes', 0, parseBytes, { short: 'm' }),
  'memory-reservation': value('Memory soft limit', 'bytes', 0, parseBytes),
  'memory-swap': value(
    "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
    'bytes',
    0,
    parseSwapBytes,
  ),
  mount: list('Attach a filesystem mount to the container', {
    placeholder: 'mount',
    parse: (one) => parseMount(one, process.cwd()),
  }),
  name: text('Assign a name to the container'),
  net: { ...network, hidden: true as const },
  network,
  'net-alias': { ...networkAlias, hidden: true as const },
  'network-alias': networkAlias,
  'net-rate': text('Limit what the container sends, e.g. 50mbit or 50mbit,burst=128k'),
  'net-rate-in': text('Limit what the container receives'),
  'oom-score-adj': integer("Tune host's OOM preferences (-1000 to 1000)"),
  'pids-limit': integer('Tune container pids limit (set -1 for unlimited)'),
  platform: text('Set platform if server is multi-platform capable'),
  privileged: toggle('Give extended privileges to this container'),
  publish: list("Publish a container's port(s) to the host", { short: 'p' }),
  'publish-all': toggle('Publish all exposed ports to random ports', { short: 'P' }),
  pull: text('Pull image before running ("always", "missing", "never")', { initial: 'missing' }),
  quiet: toggle('Suppress the pull output', { short: 'q' }),
  'read-only': toggle("Mount the container's root filesystem as read only"),
  restart: text('Restart policy to apply when a container exits', { initial: 'no' }),
  rm: toggle('Automatically remove the container and its associated anonymous volumes when it exits'),
  'security-opt': list('Security Options'),
  'shm-size': value('Size of /dev/shm', 'bytes', 0, parseBytes),
  'stop-signal': text('Signal to stop the container'),
  'stop-timeout': integer('Timeout (in seconds) to stop a container'),
  sysctl: map('Sysctl options', { check: checkSysctl }),
  tmpfs: list('Mount a tmpfs directory'),
  tty: toggle('Allocate a pseudo-TTY', { short: 't' }),
  ulimit: list('Ulimit options', { placeholder: 'ulimit', parse: parseUlimit }),
  user: text('Username or UID (format: <name|uid>[:<group|gid>])', { short: 'u' }),
  volume: list('Bind mount a volume', { short: 'v' }),
  'volume-driver': text('Optional volume driver for the container'),
  'volumes-from': list('Mount volumes from the specified container(s)'),
  workdir: text('Working directory inside the container', { short: 'w' }),
}

export type ContainerFlags = FlagValues<typeof containerFlags>

function parseAttach(stream: string): string {
  const name = stream.toLowerCase()
  if (!['stdin', 'stdout', 'stderr'].includes(name))
    throw badValue('valid streams are STDIN, STDOUT and STDERR')
  return name
}
