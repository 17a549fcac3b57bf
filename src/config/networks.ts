/** What networks are made with: the default network, options and subnets. */
import { hasHostBits, isCidr, parseCidr } from '../values/cidr.ts'
import { isIp } from '../values/ip.ts'
import { badSetting } from './bad-setting.ts'
import type { AddressPool, Config, DefaultNetwork } from './config.ts'
import type { Given } from './given.ts'

/** Throws kind 'invalid'. */
export function parseDefaultNetwork(given: Given): DefaultNetwork {
  return {
    bridge: given.text('bridge', ''),
    bip: bipOf(given, 'bip', 4),
    bip6: bipOf(given, 'bip6', 6),
    fixedCidr: cidrOf(given, 'fixed-cidr', 4),
    fixedCidr6: cidrOf(given, 'fixed-cidr-v6', 6),
    gateway4: addressOf(given, 'default-gateway', 4),
    gateway6: addressOf(given, 'default-gateway-v6', 6),
    ipv6: given.isOn('ipv6', 'false'),
    icc: given.isOn('icc', 'true'),
    masquerade: given.isOn('ip-masq', 'true'),
    hostAddress: addressOf(given, 'ip', 4),
    mtu: parseMtu(given.text('mtu', '0')),
  }
}

function bipOf(given: Given, name: 'bip' | 'bip6', family: 4 | 6): string {
  const bip = given.text(name, '')
  if (bip === '' || (isCidr(bip) && hasHostBits(parseCidr(bip)) && parseCidr(bip).family === family))
    return bip
  const example = family === 4 ? '172.17.0.1/16' : 'fd00:17::1/64'
  throw badSetting(`--${name} "${bip}" must be the bridge's address with its prefix, e.g. ${example}`)
}

function cidrOf(given: Given, name: string, family: 4 | 6): string {
  const cidr = given.text(name, '')
  if (cidr === '' || (isCidr(cidr) && parseCidr(cidr).family === family)) return cidr
  throw badSetting(`--${name} "${cidr}" must be an IPv${family} CIDR`)
}

function addressOf(given: Given, name: string, family: 4 | 6): string {
  const address = given.text(name, '')
  if (address === '' || (isIp(address) && address.includes(':') === (family === 6))) return address
  throw badSetting(`--${name} "${address}" must be an IPv${family} address`)
}

function parseMtu(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text)
  throw badSetting(`--mtu "${text}" must be a number of bytes`)
}

/** `DRIVER=OPT=VALUE` of the flag, or {"DRIVER": {"OPT": "VALUE"}} of the file. */
export function parseNetworkDefaults(given: Given): Config['networkDefaults'] {
  const defaults: Record<string, Record<string, string>> = {}
  for (const [driver, option, content] of networkOptions(given)) {
    defaults[driver] = { ...defaults[driver], [option]: content }
  }
  return defaults
}

function networkOptions(given: Given): (readonly [driver: string, option: string, value: string])[] {
  const name = 'default-network-opt'
  const value = given.value(name)
  if (typeof value !== 'object' || Array.isArray(value)) {
    return given.list(name).map((text) => {
      const [, driver = '', option = '', content = ''] = /^([^=]+)=([^=]+)=(.*)$/.exec(text) ?? []
      if (driver !== '') return [driver, option, content]
      throw badSetting(`--default-network-opt "${text}" must be DRIVER=OPTION=VALUE`)
    })
  }
  return Object.entries(value ?? {}).flatMap(([driver, options]) => {
    const entries = typeof options === 'object' && options !== null ? Object.entries(options) : []
    if (entries.some(([, content]) => typeof content !== 'string') || entries.length === 0) {
      throw badSetting(
        `default-network-opts "${driver}" must hold options as text, e.g. {"com.docker.network.driver.mtu": "1400"}`,
      )
    }
    return entries.map(([option, content]) => [driver, option, String(content)] as const)
  })
}

/** `base=CIDR,size=N` of the flag, or {"base": …, "size": …} of the file. */
export function parsePool(value: unknown): AddressPool {
  const given: { base?: unknown; size?: unknown } =
    typeof value === 'object' ? { ...value } : Object.fromEntries(parsePairs(String(value)))
  const { base, size } = given
  if (!isCidr(String(base)) || !/^\d{1,3}$/.test(String(size))) {
    throw badSetting(
      `default-address-pool ${JSON.stringify(value)} must be base=CIDR,size=PREFIX, e.g. base=10.10.0.0/16,size=24`,
    )
  }
  return { base: String(base), size: Number(size) }
}

function parsePairs(text: string): string[][] {
  return text.split(',').map((part) => part.split('=', 2))
}
