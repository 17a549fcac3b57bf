/** The daemon's settings: flags over the config file over defaults; names are dockerd's where dockerd has them. */
import { existsSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { TsnetError } from './errors.ts'

export interface AddressPool {
  /** CIDR from which networks are cut */
  readonly base: string
  /** prefix length of each network */
  readonly size: number
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
  /** address/prefix of the default network's bridge, '' for the usual one */
  readonly bip: string
  /** Empty takes the built-in pools. */
  readonly addressPools: readonly AddressPool[]
  /** Resolvers instead of the host's. */
  readonly dns: readonly string[]
  readonly logLevel: string
  readonly pidfile: string
  readonly firewallBackend: 'auto' | 'iptables' | 'nftables'
  readonly initPool: number
}

const flags = {
  'config-file': { type: 'string' },
  'data-root': { type: 'string' },
  'exec-root': { type: 'string' },
  host: { type: 'string', short: 'H', multiple: true },
  tlscacert: { type: 'string' },
  tlscert: { type: 'string' },
  tlskey: { type: 'string' },
  bip: { type: 'string' },
  'default-address-pool': { type: 'string', multiple: true },
  dns: { type: 'string', multiple: true },
  'log-level': { type: 'string', short: 'l' },
  pidfile: { type: 'string', short: 'p' },
  'firewall-backend': { type: 'string' },
  'init-pool': { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const

export const daemonUsage = `Usage:  tsnet daemon [OPTIONS]

Options:
      --config-file string                  Settings in JSON, by the long names below (default "/etc/tsnet/daemon.json")
      --data-root string                    Root of what is kept (default "/var/lib/tsnet")
      --exec-root string                    Root of what lives until the next boot (default "/run/tsnet")
  -H, --host list                           Where to listen: unix:///path or tcp://address:port (default "unix://<exec-root>/tsnet.sock")
      --tlscacert, --tlscert, --tlskey      Certificates; a tcp host needs all three
      --bip string                          Address of the default network's bridge (default "172.17.0.1/16")
      --default-address-pool base=CIDR,size=N   Where new networks are cut from (repeatable)
      --dns list                            Resolvers instead of the host's
  -l, --log-level string                    debug, info, warn, error, fatal (default "info")
  -p, --pidfile string                      Where to write the process id
      --firewall-backend string             auto, nftables, iptables (default "auto")
      --init-pool number                    How many inits wait warm (default 2)
`

function bad(message: string): TsnetError {
  return new TsnetError('invalid', 'bad-config', message)
}

type Values = Readonly<Record<string, unknown>>

function readConfigFile(path: string, required: boolean): Values {
  if (!required && !existsSync(path)) return {}
  let values: unknown
  try {
    values = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw bad(`${path} cannot be read: ${(error as Error).message}`)
  }
  if (typeof values !== 'object' || values === null) throw bad(`${path} must hold a JSON object`)
  // dockerd's file says "hosts", "default-address-pools"; its flags are singular.
  const { hosts, 'default-address-pools': pools, ...rest } = values as Record<string, unknown>
  const known = {
    ...rest,
    ...(hosts === undefined ? {} : { host: hosts }),
    ...(pools === undefined ? {} : { 'default-address-pool': pools }),
  }
  const unknown = Object.keys(known).find((key) => !(key in flags))
  if (unknown !== undefined)
    throw bad(`${path} has the unknown key "${unknown}": known are ${Object.keys(flags).join(', ')}`)
  return known
}

function parsePool(value: unknown): AddressPool {
  if (typeof value === 'object' && value !== null) {
    const { base, size } = value as { base?: unknown; size?: unknown }
    return { base: String(base), size: Number(size) }
  }
  const parts = Object.fromEntries(
    String(value)
      .split(',')
      .map((part) => part.split('=', 2)),
  )
  if (parts['base'] === undefined || parts['size'] === undefined) {
    throw bad(
      `default-address-pool "${String(value)}" must be base=CIDR,size=PREFIX, e.g. base=10.10.0.0/16,size=24`,
    )
  }
  return { base: parts['base'], size: Number(parts['size']) }
}

function parseTls(values: Values): TlsFiles | null {
  const [ca, cert, key] = [values['tlscacert'], values['tlscert'], values['tlskey']]
  if (ca === undefined && cert === undefined && key === undefined) return null
  if (ca === undefined || cert === undefined || key === undefined) {
    throw bad('tls needs --tlscacert, --tlscert and --tlskey together')
  }
  return { ca: String(ca), cert: String(cert), key: String(key) }
}

function list(value: unknown): string[] {
  return value === undefined ? [] : (Array.isArray(value) ? value : [value]).map(String)
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

/** Reads flags and config file. Returns null when help was asked for. Throws kind 'invalid'. */
export function loadConfig(argv: readonly string[]): Config | null {
  let parsed: Values
  try {
    parsed = parseArgs({ args: [...argv], options: flags, strict: true }).values
  } catch (error) {
    throw bad((error as Error).message)
  }
  if (parsed['help'] === true) return null
  const file = readConfigFile(
    String(parsed['config-file'] ?? '/etc/tsnet/daemon.json'),
    parsed['config-file'] !== undefined,
  )
  const values: Values = { ...file, ...parsed }
  const text = (name: string, fallback: string): string => String(values[name] ?? fallback)
  const execRoot = text('exec-root', '/run/tsnet')
  const initPool = Number(text('init-pool', '2'))
  if (!Number.isInteger(initPool) || initPool < 0 || initPool > 64)
    throw bad(`--init-pool "${text('init-pool', '')}" must be a number from 0 to 64`)
  const tls = parseTls(values)
  const hosts = list(values['host'])
  return {
    dataRoot: text('data-root', '/var/lib/tsnet'),
    execRoot,
    hosts: checkHosts(hosts.length === 0 ? [`unix://${execRoot}/tsnet.sock`] : hosts, tls),
    tls,
    bip: text('bip', ''),
    addressPools: (Array.isArray(values['default-address-pool']) ? values['default-address-pool'] : []).map(
      parsePool,
    ),
    dns: list(values['dns']),
    logLevel: oneOf('log-level', text('log-level', 'info'), [
      'trace',
      'debug',
      'info',
      'warn',
      'error',
      'fatal',
    ]),
    pidfile: text('pidfile', ''),
    firewallBackend: oneOf('firewall-backend', text('firewall-backend', 'auto'), [
      'auto',
      'iptables',
      'nftables',
    ]),
    initPool,
  }
}
