/** Options of networks: how they are parsed, and those that mean the same to every driver that makes interfaces. Pure. */
import { TsnetError } from '../errors.ts'
import type { Labels, NetworkSpec } from '../store/records.ts'
import { checkInterfaceName } from '../values/interface-name.ts'
import { ipFamily, isIp } from '../values/ip.ts'
import { interfaceNameOption, interfaceSysctlOption } from './endpoint-options.ts'

/** By an option's name, how its value becomes a part of the options; throws what is wrong with the value. */
export type OptionParsers<O> = Readonly<Record<string, (value: string) => Partial<O>>>

export interface InterfaceOptions {
  /** bytes; 0 takes that of the way out */
  readonly mtu: number
  /** What interface names in containers begin with. */
  readonly interfacePrefix: string
  /** How often an interface tells its neighbours its addresses when it comes up. */
  readonly announcements: number
  /** Milliseconds between two of them. */
  readonly announcementInterval: number
}

export const interfaceDefaults: InterfaceOptions = {
  mtu: 0,
  interfacePrefix: 'eth',
  announcements: 3,
  announcementInterval: 1000,
}

const prefixOption = 'com.docker.network.container_iface_prefix'

const announcementParsers: OptionParsers<InterfaceOptions> = {
  'com.docker.network.advertise_addr_nmsgs': (value) => ({ announcements: parseWithin(value, 0, 3) }),
  'com.docker.network.advertise_addr_ms': (value) => ({
    announcementInterval: parseWithin(value, 100, 2000),
  }),
}

export const interfaceParsers: OptionParsers<InterfaceOptions> = {
  'com.docker.network.driver.mtu': (value) => ({ mtu: parseMtu(value) }),
  [prefixOption]: (value) => ({ interfacePrefix: parsePrefix(value) }),
  ...announcementParsers,
}

/** A network's options by its driver's parsers. Throws kind 'invalid', naming the network, the option and what would be right. */
export function parseNetworkOptions<O>(
  driver: string,
  network: Pick<NetworkSpec, 'name' | 'options'>,
  parsers: OptionParsers<O>,
  defaults: O,
): O {
  const parsed = Object.entries(network.options).map(([name, value]) => {
    const parser = Object.hasOwn(parsers, name) ? parsers[name] : undefined
    if (parser === undefined) {
      const known = Object.keys(parsers).join(', ')
      throw badOption(
        `network ${network.name}: the ${driver} driver has no option ${name}, it knows ${known}`,
      )
    }
    try {
      return parser(value)
    } catch (error) {
      throw badOption(
        `network ${network.name}: option ${name}: ${error instanceof Error ? error.message : error}`,
      )
    }
  })
  return Object.freeze(Object.assign({}, defaults, ...parsed) as O)
}

/**
 * How often interfaces of a network tell their neighbours their addresses, and milliseconds between two times, whatever other options
 * somebody else gives a meaning to. Throws kind 'invalid'.
 */
export function announcementsOf({ name, options: all }: Pick<NetworkSpec, 'name' | 'options'>): {
  readonly times: number
  readonly interval: number
} {
  const own = Object.entries(all).filter(([option]) => Object.hasOwn(announcementParsers, option))
  const network = { name, options: Object.fromEntries(own) }
  const { announcements: times, announcementInterval: interval } = parseNetworkOptions(
    'remote',
    network,
    announcementParsers,
    interfaceDefaults,
  )
  return { times, interval }
}

/** Options of a single endpoint that its driver does not know are refused rather than passed over. */
export function refuseEndpointOptions(
  driver: string,
  network: Pick<NetworkSpec, 'name'>,
  options: Labels,
  known: readonly string[] = [],
): void {
  const names = Object.keys(options).filter((name) => !known.includes(name))
  if (names.length === 0) return
  const all = [interfaceNameOption, interfaceSysctlOption, ...known].join(', ')
  throw badOption(
    `network ${network.name}: the ${driver} driver has no endpoint option ${names.join(', ')}, it knows ${all}`,
  )
}

/** What interface names in containers of a network begin with. */
export function interfacePrefixOf(network: Pick<NetworkSpec, 'options'>): string {
  return network.options[prefixOption] || interfaceDefaults.interfacePrefix
}

export const hostBindingOptions = [
  'com.docker.network.bridge.host_binding_ipv4',
  'com.docker.network.bridge.host_binding_ipv6',
] as const

/** Where ports of a network's containers go that name no host address: '' for everywhere. */
export function hostBindingsOf(network: Pick<NetworkSpec, 'options'>): string[] {
  const given = hostBindingOptions.flatMap((name) => network.options[name] || [])
  // Docker's word for every address of both families.
  return given.length === 0 || given.join() === '0.0.0.0' ? [''] : given
}

export const trustedOption = 'com.docker.network.bridge.trusted_host_interfaces'

/** `if1:if2` */
export function splitTrusted(value: string): string[] {
  return value.split(':').filter((name) => name !== '')
}

/**
 * The host's interfaces from which a network's published ports are reached at containers' own addresses; '' for whichever, where the
 * daemon allows direct routing.
 */
export function trustedInterfacesOf(
  network: Pick<NetworkSpec, 'options'>,
  { directRouting }: { readonly directRouting: boolean },
): string[] {
  return [...(directRouting ? [''] : []), ...splitTrusted(network.options[trustedOption] ?? '')]
}

export function badOption(message: string): TsnetError {
  return new TsnetError('invalid', 'bad-driver-option', message)
}

/** The spellings that Docker takes, which are Go's. */
export function parseBoolean(value: string): boolean {
  if (['1', 't', 'T', 'true', 'True', 'TRUE'].includes(value)) return true
  if (['0', 'f', 'F', 'false', 'False', 'FALSE'].includes(value)) return false
  throw badOption(`${JSON.stringify(value)} is not true or false`)
}

export function parseAddress(value: string, family: 4 | 6): string {
  if (isIp(value) && ipFamily(value) === family) return value
  throw badOption(`${JSON.stringify(value)} is not an IPv${family} address`)
}

function parseWithin(value: string, least: number, most: number): number {
  const number = /^-?\d+$/.test(value) ? Number(value) : Number.NaN
  if (number >= least && number <= most) return number
  throw badOption(`${JSON.stringify(value)} must be a number in the range ${least} to ${most}`)
}

/** 68 is the smallest that IPv4 works with (RFC 791), 65535 the largest that bridge and veth take. */
function parseMtu(value: string): number {
  const mtu = /^\d+$/.test(value) ? Number(value) : Number.NaN
  if (mtu === 0 || (mtu >= 68 && mtu <= 65535)) return mtu
  throw badOption(`${JSON.stringify(value)} is not an MTU, wanted is a number of bytes from 68 to 65535`)
}

/** Room for a number after the prefix. */
const maxPrefix = 11

function parsePrefix(value: string): string {
  checkInterfaceName(value)
  if (Buffer.byteLength(value) <= maxPrefix && value !== 'lo') return value
  throw badOption(
    `${JSON.stringify(value)} cannot begin an interface name, wanted are 1 to ${maxPrefix} bytes, not lo`,
  )
}
