/** A container's connection to a network on the wire. */
import { TsnetError } from '../../errors.ts'
import type { EndpointRecord, EndpointRequest } from '../../store/records.ts'
import { containsIp, parseCidr } from '../../values/cidr.ts'
import { canonicalIp, isIp } from '../../values/ip.ts'
import { formatMac, parseUnicastMac } from '../../values/mac.ts'
import type { EndpointSettings, EndpointState } from '../schema/endpoint.ts'

/** Throws kind 'invalid' for bad addresses, 'unsupported' for options that are not carried out here. */
export function toEndpointRequest(settings: EndpointSettings | null): EndpointRequest {
  const { IPAMConfig: ipam, Links: links, GwPriority: priority } = settings ?? {}
  const mac = settings?.MacAddress || null
  return {
    address4: checkAddress(ipam?.IPv4Address || null, 4),
    address6: checkAddress(ipam?.IPv6Address || null, 6),
    mac: mac === null ? null : formatMac(parseUnicastMac(mac)),
    linkLocal: (ipam?.LinkLocalIPs ?? []).map(checkLinkLocal),
    aliases: settings?.Aliases ?? [],
    links: links ?? [],
    gatewayPriority: priority ?? 0,
    options: settings?.DriverOpts ?? {},
  }
}

function checkAddress(address: string | null, family: 4 | 6): string | null {
  if (address === null) return null
  const isUnspecified = address === '0.0.0.0' || address === '::'
  if (isIp(address) && address.includes(':') === (family === 6) && !isUnspecified) return address
  throw new TsnetError(
    'invalid',
    'bad-endpoint',
    `invalid endpoint settings: invalid IPv${family} address: ${address}`,
  )
}

/** RFC 3927 and RFC 4291, 2.5.6 */
const linkLocalBlocks = ['169.254.0.0/16', 'fe80::/10'].map(parseCidr)

function checkLinkLocal(address: string): string {
  if (isIp(address) && linkLocalBlocks.some((block) => containsIp(block, address)))
    return canonicalIp(address)
  throw new TsnetError(
    'invalid',
    'bad-endpoint',
    `invalid endpoint settings: invalid link-local IP address: ${address}`,
  )
}

/** What is given out only while the container runs is shown only then. */
export function toEndpointState(endpoint: EndpointRecord, isRunning: boolean): EndpointState {
  const { request } = endpoint
  const [address4, prefix4] = isRunning ? splitAddress(endpoint.address4) : ['', 0]
  const [address6, prefix6] = isRunning ? splitAddress(endpoint.address6) : ['', 0]
  const fixed = {
    ...(request.address4 !== null && { IPv4Address: request.address4 }),
    ...(request.address6 !== null && { IPv6Address: request.address6 }),
    ...(request.linkLocal.length > 0 && { LinkLocalIPs: request.linkLocal }),
  }
  return {
    IPAMConfig: Object.keys(fixed).length > 0 ? fixed : null,
    Links: request.links.length > 0 ? request.links : null,
    Aliases: request.aliases.length > 0 ? request.aliases : null,
    MacAddress: isRunning ? endpoint.mac : (request.mac ?? ''),
    DriverOpts: Object.keys(request.options).length > 0 ? request.options : null,
    GwPriority: request.gatewayPriority,
    NetworkID: endpoint.network,
    EndpointID: isRunning ? endpoint.id : '',
    Gateway: isRunning ? nextHop(endpoint.gateway4) : '',
    IPAddress: address4,
    IPPrefixLen: prefix4,
    IPv6Gateway: isRunning ? nextHop(endpoint.gateway6) : '',
    GlobalIPv6Address: address6,
    GlobalIPv6PrefixLen: prefix6,
    DNSNames: endpoint.networkName === 'bridge' ? null : endpoint.dnsNames,
    ...(isRunning && toTold(endpoint)),
    ...(isRunning && endpoint.info !== undefined && { DriverInfo: endpoint.info }),
  }
}

function toTold({ interfaceName, routes, dns }: EndpointRecord): Pick<EndpointState, 'Told'> {
  if (routes === undefined && dns === undefined) return {}
  return {
    Told: {
      InterfaceName: interfaceName,
      Routes: (routes ?? []).map(({ destination, nextHop }) => ({
        Destination: destination,
        NextHop: nextHop,
      })),
      Nameservers: dns?.nameservers ?? [],
      Domain: dns?.domain ?? '',
      Search: dns?.search ?? [],
      Options: dns?.options ?? [],
    },
  }
}

/** Where the link itself leads out there is none. */
function nextHop(gateway: string): string {
  return gateway === '0.0.0.0' || gateway === '::' ? '' : gateway
}

function splitAddress(text: string): [address: string, prefix: number] {
  const [address = '', prefix = '0'] = text.split('/')
  return [address, Number(prefix)]
}
