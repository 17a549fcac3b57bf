/** Options of networks whose containers are on a bridge of the host's: Docker's names in, typed values out. Pure. */
import type { GatewayMode } from '../../firewall/rules.ts'
import type { NetworkSpec, PoolRecord } from '../../store/records.ts'
import { checkInterfaceName } from '../../values/interface-name.ts'
import { isIp } from '../../values/ip.ts'
import {
  badOption,
  hostBindingOptions,
  type InterfaceOptions,
  interfaceDefaults,
  interfaceParsers,
  type OptionParsers,
  parseAddress,
  parseBoolean,
  splitTrusted,
  trustedOption,
} from '../network-options.ts'

export interface BridgingOptions extends InterfaceOptions {
  /** Whether containers on the bridge reach each other directly. */
  readonly interContainer: boolean
  readonly masquerade: boolean
  readonly gatewayMode4: GatewayMode
  readonly gatewayMode6: GatewayMode
  /** The host's addresses that packets to the outside come from, '' for that of the interface by which they leave. */
  readonly snatAddress4: string
  readonly snatAddress6: string
  /** Where ports are published that name no host address; '' for everywhere. */
  readonly hostBinding4: string
  readonly hostBinding6: string
  /** Interfaces of the host from which published ports are reached at containers' own addresses. */
  readonly trusted: readonly string[]
  /** Leaves the bridge without its IPv4 gateway address. */
  readonly inhibit4: boolean
}

export const bridgingDefaults: BridgingOptions = {
  ...interfaceDefaults,
  interContainer: true,
  masquerade: true,
  gatewayMode4: 'nat',
  gatewayMode6: 'nat',
  snatAddress4: '',
  snatAddress6: '',
  hostBinding4: '',
  hostBinding6: '',
  trusted: [],
  inhibit4: false,
}

/** All but those of `snatAddress4` and `snatAddress6`, which are a single host's. */
export const bridgingParsers: OptionParsers<BridgingOptions> = {
  'com.docker.network.bridge.enable_icc': (value) => ({ interContainer: parseBoolean(value) }),
  'com.docker.network.bridge.enable_ip_masquerade': (value) => ({ masquerade: parseBoolean(value) }),
  'com.docker.network.bridge.gateway_mode_ipv4': (value) => ({ gatewayMode4: parseMode(value) }),
  'com.docker.network.bridge.gateway_mode_ipv6': (value) => ({ gatewayMode6: parseMode(value) }),
  [hostBindingOptions[0]]: (value) => ({ hostBinding4: parseBinding(value) }),
  [hostBindingOptions[1]]: (value) => ({ hostBinding6: parseAddress(value, 6) }),
  [trustedOption]: (value) => ({ trusted: splitTrusted(value).map(checkInterfaceName) }),
  'com.docker.network.bridge.inhibit_ipv4': (value) => ({ inhibit4: parseBoolean(value) }),
  ...interfaceParsers,
}

/** Throws kind 'invalid' for modes that the network cannot have. */
export function checkGatewayModes(
  network: Pick<NetworkSpec, 'name' | 'internal'>,
  { gatewayMode4, gatewayMode6 }: BridgingOptions,
): void {
  const isIsolated = gatewayMode4 === 'isolated' || gatewayMode6 === 'isolated'
  if (isIsolated && !network.internal) {
    throw badOption(
      `network ${network.name}: gateway mode 'isolated' can only be used for an internal network: give --internal`,
    )
  }
}

/**
 * The next hop of containers with an address of `pool`: the auxiliary address of Docker's special name, else the bridge's own. Nothing
 * leads out of an internal network.
 */
export function gatewayOf(network: Pick<NetworkSpec, 'internal'>, pool: PoolRecord): string {
  if (network.internal) return ''
  const name = pool.subnet.includes(':') ? 'DefaultGatewayIPv6' : 'DefaultGatewayIPv4'
  return pool.auxiliary[name] ?? pool.gateway
}

const modes: readonly string[] = ['nat', 'nat-unprotected', 'routed', 'isolated'] satisfies GatewayMode[]

function parseMode(value: string): GatewayMode {
  if (modes.includes(value)) return value as GatewayMode
  throw badOption(`unknown gateway mode ${value}, wanted is one of ${modes.join(', ')}`)
}

/** In spite of the option's name either family, as in Docker. */
function parseBinding(value: string): string {
  if (isIp(value)) return value
  throw badOption(`${JSON.stringify(value)} is not an IP address`)
}
