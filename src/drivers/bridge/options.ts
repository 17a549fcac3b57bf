/** The bridge driver's options: Docker's names in, typed values out. Pure. */
import { TsnetError } from '../../errors.ts'
import type { Labels, NetworkRecord } from '../../store/records.ts'
import { checkInterfaceName } from '../../values/interface-name.ts'
import { ipFamily, isIp } from '../../values/ip.ts'

export interface BridgeOptions {
  /** The bridge's name, '' for the one derived from the network's id. */
  readonly bridgeName: string
  /** Whether containers on the bridge reach each other directly. */
  readonly interContainer: boolean
  readonly masquerade: boolean
  /** Where ports are published that name no host address; '' for everywhere. */
  readonly hostBinding4: string
  /** bytes; 0 takes that of the way out */
  readonly mtu: number
  /** What interface names in containers begin with. */
  readonly interfacePrefix: string
  /** Leaves the bridge without its IPv4 gateway address. */
  readonly inhibit4: boolean
}

const defaults: BridgeOptions = {
  bridgeName: '',
  interContainer: true,
  masquerade: true,
  hostBinding4: '',
  mtu: 0,
  interfacePrefix: 'eth',
  inhibit4: false,
}

type Parser = (value: string) => Partial<BridgeOptions>

/** Room for a number after the prefix. */
const maxPrefix = 11

const parsers: Readonly<Record<string, Parser>> = {
  'com.docker.network.bridge.name': (value) => ({
    bridgeName: value === '' ? '' : checkInterfaceName(value),
  }),
  'com.docker.network.bridge.enable_icc': (value) => ({ interContainer: parseBoolean(value) }),
  'com.docker.network.bridge.enable_ip_masquerade': (value) => ({ masquerade: parseBoolean(value) }),
  'com.docker.network.bridge.host_binding_ipv4': (value) => ({ hostBinding4: parseAddress4(value) }),
  'com.docker.network.bridge.inhibit_ipv4': (value) => ({ inhibit4: parseBoolean(value) }),
  'com.docker.network.driver.mtu': (value) => ({ mtu: parseMtu(value) }),
  'com.docker.network.container_iface_prefix': (value) => ({ interfacePrefix: parsePrefix(value) }),
}

/** Throws kind 'invalid', naming the network, the option and what would be right. */
export function parseBridgeOptions(network: Pick<NetworkRecord, 'name' | 'options'>): BridgeOptions {
  const parsed = Object.entries(network.options).map(([name, value]) =>
    parseOption(network.name, name, value),
  )
  return Object.freeze(Object.assign({}, defaults, ...parsed) as BridgeOptions)
}

function parseOption(network: string, name: string, value: string): Partial<BridgeOptions> {
  const parser = Object.hasOwn(parsers, name) ? parsers[name] : undefined
  if (parser === undefined) {
    const known = Object.keys(parsers).join(', ')
    throw bad(`network ${network}: the bridge driver has no option ${name}, it knows ${known}`)
  }
  try {
    return parser(value)
  } catch (error) {
    throw bad(`network ${network}: option ${name}: ${error instanceof Error ? error.message : error}`)
  }
}

/** Of a single endpoint the driver knows none; one that is given is refused rather than passed over. */
export function refuseEndpointOptions(network: Pick<NetworkRecord, 'name'>, options: Labels): void {
  const names = Object.keys(options)
  if (names.length === 0) return
  throw bad(
    `network ${network.name}: the bridge driver has no endpoint option ${names.join(', ')}, it takes none`,
  )
}

/** The spellings that Docker takes, which are Go's. */
function parseBoolean(value: string): boolean {
  if (['1', 't', 'T', 'true', 'True', 'TRUE'].includes(value)) return true
  if (['0', 'f', 'F', 'false', 'False', 'FALSE'].includes(value)) return false
  throw bad(`${JSON.stringify(value)} is not true or false`)
}

function parseAddress4(value: string): string {
  if (isIp(value) && ipFamily(value) === 4) return value
  throw bad(`${JSON.stringify(value)} is not an IPv4 address`)
}

/** 68 is the smallest that IPv4 works with (RFC 791), 65535 the largest that bridge and veth take. */
function parseMtu(value: string): number {
  const mtu = /^\d+$/.test(value) ? Number(value) : Number.NaN
  if (mtu === 0 || (mtu >= 68 && mtu <= 65535)) return mtu
  throw bad(`${JSON.stringify(value)} is not an MTU, wanted is a number of bytes from 68 to 65535`)
}

function parsePrefix(value: string): string {
  checkInterfaceName(value)
  if (Buffer.byteLength(value) <= maxPrefix && value !== 'lo') return value
  throw bad(
    `${JSON.stringify(value)} cannot begin an interface name, wanted are 1 to ${maxPrefix} bytes, not lo`,
  )
}

function bad(message: string): TsnetError {
  return new TsnetError('invalid', 'bad-driver-option', message)
}
