/** The bridge driver's options: Docker's names in, typed values out. Pure. */
import type { NetworkSpec } from '../../store/records.ts'
import { checkInterfaceName } from '../../values/interface-name.ts'
import {
  type BridgingOptions,
  bridgingDefaults,
  bridgingParsers,
  checkGatewayModes,
} from '../bridging/options.ts'
import { type OptionParsers, parseAddress, parseNetworkOptions } from '../network-options.ts'

export interface BridgeOptions extends BridgingOptions {
  /** The bridge's name, '' for the one derived from the network's id. */
  readonly bridgeName: string
}

const defaults: BridgeOptions = { ...bridgingDefaults, bridgeName: '' }

const parsers: OptionParsers<BridgeOptions> = {
  'com.docker.network.bridge.name': (value) => ({
    bridgeName: value === '' ? '' : checkInterfaceName(value),
  }),
  'com.docker.network.host_ipv4': (value) => ({ snatAddress4: parseAddress(value, 4) }),
  'com.docker.network.host_ipv6': (value) => ({ snatAddress6: parseAddress(value, 6) }),
  ...bridgingParsers,
}

/** Throws kind 'invalid', naming the network, the option and what would be right. */
export function parseBridgeOptions(
  network: Pick<NetworkSpec, 'name' | 'options' | 'internal'>,
): BridgeOptions {
  const options = parseNetworkOptions('bridge', network, parsers, defaults)
  checkGatewayModes(network, options)
  return options
}
