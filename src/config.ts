/** The daemon's settings: flags over the config file over defaults; names are dockerd's where dockerd has them. */
import { existsSync, readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { parseArgs } from 'node:util'
import { TsnetError } from './errors.ts'
import { hasHostBits, isCidr, parseCidr } from './values/cidr.ts'
import { parseDuration } from './values/duration.ts'
import { isIp } from './values/ip.ts'

export interface AddressPool {
  /** CIDR from which networks are cut */
  readonly base: string
  /** prefix length of each network */
  readonly size: number
}

/** What the network `bridge` is to be; '' leaves the choice to the daemon. */
export interface DefaultNetwork {
  /** the link's name */
  readonly bridge: string
  /** address/prefix of the bridge */
  readonly bip: string
  readonly bip6: string
  /** CIDRs from which containers get their addresses */
  readonly fixedCidr: string
  readonly fixedCidr6: string
  /** addresses of another way out than the bridge */
  readonly gateway4: string
  readonly gateway6: string
  readonly ipv6: boolean
  readonly icc: boolean
  readonly masquerade: boolean
  /** where ports are published that name no address */
  readonly hostAddress: string
  /** bytes; 0 takes that of the way out */
  readonly mtu: number
}

/** How long removed volumes can be restored. */
export interface TrashLimits {
  /** milliseconds; 0 for no trash at all */
  readonly age: number
  /** The free share of the file system, 0 to 1, below which the oldest go before their time. */
  readonly space: number
}

export interface TlsFiles {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export interface Config {
  readonly dataRoot: string
  readonly execRoot: string
  /** unix:///path or tcp://address:port */
  readonly hosts: readonly string[]
  readonly tls: TlsFiles | null
  readonly network: DefaultNetwork
  /** Options of networks by the driver's name, where the user gives none. */
  readonly networkDefaults: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Empty takes the built-in pools. */
  readonly addressPools: readonly AddressPool[]
  /** Resolvers instead of the host's. */
  readonly dns: readonly string[]
  /** For containers that say nothing of it; empty takes the host's. */
  readonly dnsSearch: readonly string[]
  readonly dnsOptions: readonly string[]
  /** What `host-gateway` stands for; empty for the default bridge's addresses. */
  readonly hostGatewayIps: readonly string[]
  /** Address of the host at which containers' names are answered; '' for none. */
  readonly dnsHostListen: string
  readonly logLevel: string
  /** Where metrics are served, to whoever can reach it; null for nowhere. Port 0 takes a free one. */
  readonly metrics: { readonly host: string; readonly port: number } | null
  readonly pidfile: string
  readonly firewallBackend: 'auto' | 'iptables' | 'nftables'
  readonly initPool: number
  /** Whether the daemon relays what the kernel's DNAT cannot serve. */
  readonly userlandProxy: boolean
  /** Where Docker's plugins are looked for; empty for dockerd's directories. */
  readonly pluginDirectories: readonly string[]
  readonly trash: TrashLimits
  /** A folder of operators' drivers, and further files of theirs. */
  readonly drivers: { readonly directory: string; readonly files: readonly string[] }
  /** etcd://HOST:2379,… of the cluster that the host is in, '' for none. */
  readonly cluster: string
  /** The underlay address at which other hosts reach this one, or its interface; '' for the way out's. */
  readonly advertise: string
  /** What the others call it. */
  readonly nodeName: string
  /** Where networks of CNI are described, and where its plugins' programs are. */
  readonly cni: { readonly configurations: string; readonly programs: readonly string[] }
}

const flags = {
  'config-file': { type: 'string' },
  'data-root': { type: 'string' },
  'exec-root': { type: 'string' },
  host: { type: 'string', short: 'H', multiple: true },
  tlscacert: { type: 'string' },
  tlscert: { type: 'string' },
  tlskey: { type: 'string' },
  tlsverify: { type: 'boolean' },
  bip: { type: 'string' },
  bip6: { type: 'string' },
  bridge: { type: 'string', short: 'b' },
  'fixed-cidr': { type: 'string' },
  'fixed-cidr-v6': { type: 'string' },
  'default-gateway': { type: 'string' },
  'default-gateway-v6': { type: 'string' },
  ipv6: { type: 'string' },
  icc: { type: 'string' },
  'ip-masq': { type: 'string' },
  ip: { type: 'string' },
  mtu: { type: 'string' },
  'default-network-opt': { type: 'string', multiple: true },
  'default-address-pool': { type: 'string', multiple: true },
  dns: { type: 'string', multiple: true },
  'dns-host-listen': { type: 'string' },
  'host-gateway-ip': { type: 'string', multiple: true },
  'dns-opt': { type: 'string', multiple: true },
  'dns-search': { type: 'string', multiple: true },
  'log-level': { type: 'string', short: 'l' },
  'metrics-addr': { type: 'string' },
  pidfile: { type: 'string', short: 'p' },
  'firewall-backend': { type: 'string' },
  'init-pool': { type: 'string' },
  'plugin-dir': { type: 'string', multiple: true },
  'userland-proxy': { type: 'string' },
  'volume-trash-age': { type: 'string' },
  'volume-trash-space': { type: 'string' },
  driver: { type: 'string', multiple: true },
  'driver-dir': { type: 'string' },
  cluster: { type: 'string' },
  advertise: { type: 'string' },
  'node-name': { type: 'string' },
  'cni-conf-dir': { type: 'string' },
  'cni-bin-dir': { type: 'string', multiple: true },
  help: { type: 'boolean', short: 'h' },
} as const

export const daemonUsage = `Usage:  tsnet daemon [OPTIONS]

Options:
      --config-file string                  Settings in JSON, by the long names below (default "/etc/tsnet/daemon.json")
      --data-root string                    Root of what is kept (default "/var/lib/tsnet")
      --exec-root string                    Root of what lives until the next boot (default "/run/tsnet")
  -H, --host list                           Where to listen: unix:///path or tcp://address:port (default "unix://<exec-root>/tsnet.sock")
      --tlscacert, --tlscert, --tlskey      Certificates; a tcp host needs all three
      --tlsverify                           Clients show certificates: with the three it is always so
      --bip string                          Address of the default network's bridge (default "172.17.0.1/16")
      --bip6 string                         The same for IPv6
  -b, --bridge string                       The default network's bridge, made when it is missing (default "tsnet0")
      --fixed-cidr string                   Where the default network's containers get their addresses from
      --fixed-cidr-v6 string                The same for IPv6
      --default-gateway ip                  Way out of the default network other than its bridge
      --default-gateway-v6 ip               The same for IPv6
      --ipv6                                Give the default network IPv6
      --icc=false                           Keep the default network's containers from each other
      --ip-masq=false                       Let the default network's containers show their own addresses outside
      --ip ip                               Where ports of the default network are published that name no address (default 0.0.0.0 and ::)
      --mtu number                          MTU of the default network (default that of the way out)
      --default-network-opt DRIVER=OPT=VALUE   Option of networks of a driver that are made without it (repeatable)
      --default-address-pool base=CIDR,size=N   Where new networks are cut from (repeatable)
      --dns list                            Resolvers instead of the host's
      --dns-host-listen string              Address at whose port 53 the host may ask for CONTAINER.NETWORK.tsnet
      --dns-opt list                        Options of resolv.conf for containers instead of the host's
      --dns-search list                     Search domains for containers instead of the host's; . for none
      --host-gateway-ip list                What host-gateway in --add-host stands for (default: the default bridge's)
  -l, --log-level string                    debug, info, warn, error, fatal (default "info")
      --metrics-addr string                 ADDRESS:PORT at which metrics for Prometheus are served, to whoever can reach it
  -p, --pidfile string                      Where to write the process id
      --firewall-backend string             auto, nftables, iptables (default "auto")
      --init-pool number                    How many inits wait warm (default 2)
      --plugin-dir list                     Where Docker's plugins are looked for instead of /run/docker/plugins, /etc/docker/plugins, /usr/lib/docker/plugins
      --userland-proxy=false                Publish only what the kernel serves by itself, without a relay for [::1] and from IPv6 to IPv4
      --volume-trash-age duration           How long removed volumes can be restored, 0 for not at all (default 24h)
      --volume-trash-space percent          Free space below which the oldest of them go before their time (default 10%)
      --driver list                         Files and packages of drivers of your own, in TypeScript
      --driver-dir string                   Folder of drivers of your own (default "/etc/tsnet/drivers")
      --cluster string                      etcd://HOST:2379,HOST:2379,… of the cluster whose overlay networks this host shares
      --advertise string                    Address or interface at which the other hosts reach this one (default: the way out's)
      --node-name string                    What the other hosts call this one (default: its host name)
      --cni-conf-dir string                 Where networks of CNI plugins are described (default "/etc/cni/net.d")
      --cni-bin-dir list                    Where CNI plugins are looked for instead of /opt/cni/bin and /usr/lib/cni
`

function bad(message: string): TsnetError {
  return new TsnetError('invalid', 'bad-config', message)
}

type Values = Readonly<Record<string, unknown>>

/** dockerd's file has these in the plural; its flags are singular. */
const fileNames: Readonly<Record<string, string>> = {
  hosts: 'host',
  'default-address-pools': 'default-address-pool',
  'default-network-opts': 'default-network-opt',
  'dns-opts': 'dns-opt',
  drivers: 'driver',
  'host-gateway-ips': 'host-gateway-ip',
  'plugin-dirs': 'plugin-dir',
  'cni-bin-dirs': 'cni-bin-dir',
}
const lists: readonly string[] = [
  'host',
  'dns',
  'dns-opt',
  'dns-search',
  'host-gateway-ip',
  'default-address-pool',
  'plugin-dir',
  'cni-bin-dir',
]
const onlyFlags: readonly string[] = ['config-file', 'help']

function readConfigFile(path: string, required: boolean): Values {
  if (!required && !existsSync(path)) return {}
  const values = parseJsonObject(path)
  const known = Object.keys(flags).filter((name) => !onlyFlags.includes(name))
  const settings = Object.entries(values).map(([key, value]): [string, unknown] => {
    const name = Object.hasOwn(fileNames, key) ? (fileNames[key] ?? '') : key
    if (!known.includes(name)) {
      throw bad(`${path} has the unknown key "${key}": known are ${known.join(', ')}`)
    }
    const isFitting = name === 'default-network-opt' || (lists.includes(name) && Array.isArray(value))
    if (typeof value === 'object' && !isFitting) {
      throw bad(
        `${path} has ${JSON.stringify(value)} for "${key}": give ${lists.includes(name) ? 'a list' : 'text'}`,
      )
    }
    return [name, value]
  })
  return Object.fromEntries(settings)
}

function parseJsonObject(path: string): Readonly<Record<string, unknown>> {
  let values: unknown
  try {
    values = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw bad(`${path} cannot be read: ${(error as Error).message}`)
  }
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw bad(`${path} must hold a JSON object`)
  }
  return values as Record<string, unknown>
}

/** `base=CIDR,size=N` of the flag, or {"base": …, "size": …} of the file. */
function parsePool(value: unknown): AddressPool {
  const given: { base?: unknown; size?: unknown } =
    typeof value === 'object' ? { ...value } : Object.fromEntries(parsePairs(String(value)))
  const { base, size } = given
  if (!isCidr(String(base)) || !/^\d{1,3}$/.test(String(size))) {
    throw bad(
      `default-address-pool ${JSON.stringify(value)} must be base=CIDR,size=PREFIX, e.g. base=10.10.0.0/16,size=24`,
    )
  }
  return { base: String(base), size: Number(size) }
}

function parsePairs(text: string): string[][] {
  return text.split(',').map((part) => part.split('=', 2))
}

function parseTls(values: Values): TlsFiles | null {
  const [ca, cert, key] = [values['tlscacert'], values['tlscert'], values['tlskey']]
  const isWanted = values['tlsverify'] === true
  if (ca === undefined && cert === undefined && key === undefined && !isWanted) return null
  if (ca === undefined || cert === undefined || key === undefined) {
    throw bad('tls needs --tlscacert, --tlscert and --tlskey together')
  }
  return { ca: String(ca), cert: String(cert), key: String(key) }
}

function items(value: unknown): readonly unknown[] {
  if (value === undefined) return []
  return Array.isArray(value) ? value : [value]
}

function list(value: unknown): string[] {
  return items(value).map(String)
}

function orElse(given: readonly string[], fallback: readonly string[]): readonly string[] {
  return given.length > 0 ? given : fallback
}

function oneOf<T extends string>(name: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value)
  if (found === undefined) throw bad(`--${name} "${value}" is unknown: give ${allowed.join(', ')}`)
  return found
}

function checkHosts(hosts: readonly string[], tls: TlsFiles | null): readonly string[] {
  for (const host of hosts) {
    if (!/^(unix:\/\/\/|tcp:\/\/)/.test(host))
      throw bad(`host "${host}" must be unix:///path or tcp://address:port`)
    if (host.startsWith('tcp://') && tls === null) {
      throw bad(
        `host "${host}" would let anybody in: give --tlscacert, --tlscert and --tlskey, or a unix:// host`,
      )
    }
  }
  return hosts
}

type Text = (name: string, fallback: string) => string

function parseDefaultNetwork(text: Text): DefaultNetwork {
  const flag = (name: string, fallback: 'true' | 'false'): boolean =>
    oneOf(name, text(name, fallback), booleans) === 'true'
  return {
    bridge: text('bridge', ''),
    bip: checkBip('bip', text('bip', ''), 4),
    bip6: checkBip('bip6', text('bip6', ''), 6),
    fixedCidr: checkCidr('fixed-cidr', text('fixed-cidr', ''), 4),
    fixedCidr6: checkCidr('fixed-cidr-v6', text('fixed-cidr-v6', ''), 6),
    gateway4: checkAddress('default-gateway', text('default-gateway', ''), 4),
    gateway6: checkAddress('default-gateway-v6', text('default-gateway-v6', ''), 6),
    ipv6: flag('ipv6', 'false'),
    icc: flag('icc', 'true'),
    masquerade: flag('ip-masq', 'true'),
    hostAddress: checkAddress('ip', text('ip', ''), 4),
    mtu: parseMtu(text('mtu', '0')),
  }
}

function checkBip(name: 'bip' | 'bip6', bip: string, family: 4 | 6): string {
  if (bip === '' || (isCidr(bip) && hasHostBits(parseCidr(bip)) && parseCidr(bip).family === family))
    return bip
  const example = family === 4 ? '172.17.0.1/16' : 'fd00:17::1/64'
  throw bad(`--${name} "${bip}" must be the bridge's address with its prefix, e.g. ${example}`)
}

function checkCidr(name: string, cidr: string, family: 4 | 6): string {
  if (cidr === '' || (isCidr(cidr) && parseCidr(cidr).family === family)) return cidr
  throw bad(`--${name} "${cidr}" must be an IPv${family} CIDR`)
}

function checkAddress(name: string, address: string, family: 4 | 6): string {
  if (address === '' || (isIp(address) && address.includes(':') === (family === 6))) return address
  throw bad(`--${name} "${address}" must be an IPv${family} address`)
}

function parseMtu(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text)
  throw bad(`--mtu "${text}" must be a number of bytes`)
}

/** `DRIVER=OPT=VALUE` of the flag, or {"DRIVER": {"OPT": "VALUE"}} of the file. */
function parseNetworkDefaults(value: unknown): Config['networkDefaults'] {
  const defaults: Record<string, Record<string, string>> = {}
  for (const [driver, option, content] of networkOptions(value)) {
    defaults[driver] = { ...defaults[driver], [option]: content }
  }
  return defaults
}

function networkOptions(value: unknown): (readonly [driver: string, option: string, value: string])[] {
  if (typeof value !== 'object' || Array.isArray(value)) {
    return list(value).map((text) => {
      const [, driver = '', option = '', content = ''] = /^([^=]+)=([^=]+)=(.*)$/.exec(text) ?? []
      if (driver !== '') return [driver, option, content]
      throw bad(`--default-network-opt "${text}" must be DRIVER=OPTION=VALUE`)
    })
  }
  return Object.entries(value ?? {}).flatMap(([driver, options]) => {
    const entries = typeof options === 'object' && options !== null ? Object.entries(options) : []
    if (entries.some(([, content]) => typeof content !== 'string') || entries.length === 0) {
      throw bad(
        `default-network-opts "${driver}" must hold options as text, e.g. {"com.docker.network.driver.mtu": "1400"}`,
      )
    }
    return entries.map(([option, content]) => [driver, option, String(content)] as const)
  })
}

function checkAddresses(name: string, addresses: readonly string[]): readonly string[] {
  const wrong = addresses.find((address) => !isIp(address))
  if (wrong !== undefined) throw bad(`--${name} "${wrong}" must be an IP address`)
  return addresses
}

function checkHostListen(address: string): string {
  if (address === '' || isIp(address)) return address
  throw bad(`--dns-host-listen "${address}" must be an IP address of the host, e.g. 127.0.0.54`)
}

/** As Go's: without an address on every one, IPv6 in brackets. */
function parseMetricsAddress(text: string): Config['metrics'] {
  if (text === '') return null
  const [, bracketed, plain = '', port = ''] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? []
  const isAddress = bracketed === undefined || (isIp(bracketed) && bracketed.includes(':'))
  if (port !== '' && Number(port) <= 65535 && isAddress)
    return { host: bracketed ?? plain, port: Number(port) }
  throw bad(`--metrics-addr "${text}" must be ADDRESS:PORT, e.g. 127.0.0.1:9323 or [::1]:9323`)
}

function checkDrivers(files: readonly string[]): readonly string[] {
  const relative = files.find((file) => !file.startsWith('/'))
  if (relative === undefined) return files
  throw bad(`--driver "${relative}" must be an absolute path`)
}

function checkCluster(url: string): string {
  if (url === '' || url.startsWith('etcd://')) return url
  throw bad(`--cluster "${url}" must name servers of etcd, e.g. etcd://10.0.0.1:2379,10.0.0.2:2379`)
}

/** Whatever a host is called that is in no cluster is no fault. */
function parseNodeName(text: Text): string {
  const name = text('node-name', hostname())
  if (text('cluster', '') === '' || /^[A-Za-z0-9][A-Za-z0-9_.-]{0,252}$/.test(name)) return name
  throw bad(`--node-name "${name}" must be a host's name: letters, digits, dots, dashes and underscores`)
}

function parseInitPool(text: string): number {
  if (/^\d+$/.test(text) && Number(text) <= largestInitPool) return Number(text)
  throw bad(`--init-pool "${text}" must be a number from 0 to ${largestInitPool}`)
}

function parseTrashAge(text: string): number {
  const age = text === '0' ? 0 : parseDuration(text)
  if (age !== undefined) return age
  throw bad(`--volume-trash-age "${text}" must be a duration, e.g. 24h or 1h30m, or 0`)
}

function parseTrashSpace(text: string): number {
  const [, percent] = /^(\d{1,2}(?:\.\d+)?|100)%$/.exec(text) ?? []
  if (percent !== undefined) return Number(percent) / 100
  throw bad(`--volume-trash-space "${text}" must be a share of the file system, e.g. 10%`)
}

const largestInitPool = 64
const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
const booleans = ['true', 'false'] as const
const firewallBackends = ['auto', 'iptables', 'nftables'] as const

/** Reads flags and config file. Returns null when help was asked for. Throws kind 'invalid'. */
export function loadConfig(argv: readonly string[]): Config | null {
  const given = parseFlags(argv)
  if (given['help'] === true) return null
  const path = given['config-file']
  const file = readConfigFile(String(path ?? '/etc/tsnet/daemon.json'), path !== undefined)
  const values: Values = { ...file, ...given }
  const text: Text = (name, fallback) => String(values[name] ?? fallback)
  const execRoot = text('exec-root', '/run/tsnet')
  const tls = parseTls(values)
  const hosts = list(values['host'])
  return {
    dataRoot: text('data-root', '/var/lib/tsnet'),
    execRoot,
    hosts: checkHosts(hosts.length === 0 ? [`unix://${execRoot}/tsnet.sock`] : hosts, tls),
    tls,
    network: parseDefaultNetwork(text),
    networkDefaults: parseNetworkDefaults(values['default-network-opt']),
    addressPools: items(values['default-address-pool']).map(parsePool),
    dns: checkAddresses('dns', list(values['dns'])),
    hostGatewayIps: checkAddresses('host-gateway-ip', list(values['host-gateway-ip'])),
    dnsHostListen: checkHostListen(text('dns-host-listen', '')),
    dnsSearch: list(values['dns-search']),
    dnsOptions: list(values['dns-opt']),
    logLevel: oneOf('log-level', text('log-level', 'info'), logLevels),
    metrics: parseMetricsAddress(text('metrics-addr', '')),
    pidfile: text('pidfile', ''),
    firewallBackend: oneOf('firewall-backend', text('firewall-backend', 'auto'), firewallBackends),
    initPool: parseInitPool(text('init-pool', '2')),
    trash: {
      age: parseTrashAge(text('volume-trash-age', '24h')),
      space: parseTrashSpace(text('volume-trash-space', '10%')),
    },
    drivers: {
      directory: text('driver-dir', '/etc/tsnet/drivers'),
      files: checkDrivers(list(values['driver'])),
    },
    cluster: checkCluster(text('cluster', '')),
    advertise: text('advertise', ''),
    nodeName: parseNodeName(text),
    cni: {
      configurations: text('cni-conf-dir', '/etc/cni/net.d'),
      programs: orElse(list(values['cni-bin-dir']), ['/opt/cni/bin', '/usr/lib/cni']),
    },
    pluginDirectories: list(values['plugin-dir']),
    userlandProxy: oneOf('userland-proxy', text('userland-proxy', 'true'), booleans) === 'true',
  }
}

function parseFlags(argv: readonly string[]): Values {
  try {
    const args = argv.map((one) => (one === '--ipv6' ? '--ipv6=true' : one))
    return parseArgs({ args, options: flags, strict: true }).values
  } catch (error) {
    throw bad((error as Error).message)
  }
}
