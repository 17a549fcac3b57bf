/** The overlay driver's options: Docker's names in, typed values out. Pure. */
import type { NetworkSpec } from '../../store/records.ts'
import {
  type BridgingOptions,
  bridgingDefaults,
  bridgingParsers,
  checkGatewayModes,
} from '../bridging/options.ts'
import { badOption, type OptionParsers, parseBoolean, parseNetworkOptions } from '../network-options.ts'

export interface OverlayOptions extends BridgingOptions {
  /** The network's number in the packets between hosts, 0 before it has one. */
  readonly vni: number
  /** Whether nobody between the hosts can read its packets, or send any. */
  readonly encrypted: boolean
}

/** What a network has its number in; it is given one when it is made. */
export const vniOption = 'com.docker.network.driver.overlay.vxlanid_list'

const defaults: OverlayOptions = { ...bridgingDefaults, vni: 0, encrypted: false }

const parsers: OptionParsers<OverlayOptions> = {
  [vniOption]: (value) => ({ vni: parseVnis(value) }),
  // Without a value it is meant, as in Docker.
  encrypted: (value) => ({ encrypted: value === '' || parseBoolean(value) }),
  ...bridgingParsers,
}

/** Throws kind 'invalid', naming the network, the option and what would be right. */
export function parseOverlayOptions(
  network: Pick<NetworkSpec, 'name' | 'options' | 'internal'>,
): OverlayOptions {
  const options = parseNetworkOptions('overlay', network, parsers, defaults)
  checkGatewayModes(network, options)
  return options
}

/** The number that a network has, 0 for none. Throws kind 'invalid'. */
export function vniOf({ options }: Pick<NetworkSpec, 'options'>): number {
  const value = options[vniOption]
  return value === undefined ? 0 : parseVnis(value)
}

/** RFC 7348, section 5: 24 bits. */
const highestVni = 2 ** 24 - 1

/** Docker takes one for each subnet; all subnets of a network share the first. */
function parseVnis(value: string): number {
  const numbers = value.split(',').map((text) => (/^\d+$/.test(text.trim()) ? Number(text) : Number.NaN))
  if (numbers.every((number) => number >= 1 && number <= highestVni)) return numbers[0]!
  throw badOption(
    `${JSON.stringify(value)} is not a VXLAN number, wanted is one from 1 to ${highestVni}, or several with commas between`,
  )
}
