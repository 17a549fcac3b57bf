/** The configuration of tsnet as a CNI plugin: what a runtime sends, read with care. Pure. */
import { isObject, type JsonObject } from '../../cni/network-list.ts'
import type { ResultDns, ResultRoute } from '../../cni/result.ts'
import { type CniVersion, speakable } from '../../cni/version.ts'
import { rateOptions } from '../../drivers/endpoint-rates.ts'
import { TsnetError } from '../../errors.ts'
import type { Labels, PoolRecord, PortBinding, Protocol } from '../../store/records.ts'
import { isCidr, parseCidr } from '../../values/cidr.ts'
import { isIp } from '../../values/ip.ts'
import { formatMac, parseUnicastMac } from '../../values/mac.ts'
import { parsePools } from './pools.ts'

/** As the runtime's environment and standard input say it. */
export interface PodCall {
  readonly command: string
  readonly containerId: string
  readonly netns: string
  readonly interfaceName: string
  /** CNI_ARGS */
  readonly args: string
  readonly config: JsonObject
}

export interface PodConfig {
  readonly version: CniVersion
  readonly name: string
  /** A network of the daemon's, '' for one of this configuration. */
  readonly network: string
  readonly driver: string
  readonly options: Labels
  readonly pools: readonly PoolRecord[]
  /** Without default routes. */
  readonly routes: readonly ResultRoute[]
  readonly leadsOut: boolean
  readonly dns: ResultDns
  /** What the network itself follows from, as one text. */
  readonly settings: string
}

/** What one pod wants. */
export interface PodWishes {
  readonly address4: string | null
  readonly address6: string | null
  readonly mac: string | null
  readonly ports: readonly PortBinding[]
  readonly options: Labels
}

/** Throws kind 'invalid' for what is wrong, 'unsupported' for a version that is not spoken. */
export function parsePodConfig(config: JsonObject): PodConfig {
  const name = textOf(config, 'name')
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) throw bad(`name ${JSON.stringify(name)} is none`)
  const [version] = speakable(`network ${name}`, [textOf(config, 'cniVersion') || 'none'])
  const driver = textOf(config, 'driver') || 'bridge'
  const ipam = objectOf(config, 'ipam')
  const pools = parsePools(ipam)
  const options = optionsOf(driver, config)
  const routes = listOf(ipam, 'routes').map(toRoute)
  const isDefault = ({ dst }: ResultRoute): boolean => parseCidr(dst).prefix === 0
  return {
    version: version!,
    name,
    network: textOf(config, 'network'),
    driver,
    options,
    pools,
    routes: routes.filter((route) => !isDefault(route)),
    leadsOut: booleanOf(config, 'isDefaultGateway', routes.length === 0 || routes.some(isDefault)),
    dns: toDns(objectOf(objectOf(config, 'runtimeConfig'), 'dns'), objectOf(config, 'dns')),
    settings: JSON.stringify([driver, options, pools]),
  }
}

/** Throws kind 'invalid'. */
export function parseWishes({ config, args }: PodCall): PodWishes {
  const runtime = objectOf(config, 'runtimeConfig')
  const given = Object.fromEntries(args.split(';').map((pair) => pair.split('=', 2)))
  const told = objectOf(objectOf(config, 'args'), 'cni')
  const ips = [...textsOf(runtime, 'ips'), ...textsOf(told, 'ips'), ...(given['IP'] ?? '').split(',')]
  const addresses = ips.filter((ip) => ip !== '').map(bareAddress)
  const mac = textOf(runtime, 'mac') || textOf(told, 'mac') || given['MAC'] || ''
  return {
    address4: addresses.find((address) => !address.includes(':')) ?? null,
    address6: addresses.find((address) => address.includes(':')) ?? null,
    mac: mac === '' ? null : formatMac(parseUnicastMac(mac)),
    ports: listOf(runtime, 'portMappings').flatMap(toBinding),
    options: toRates(objectOf(runtime, 'bandwidth')),
  }
}

function bareAddress(text: string): string {
  const address = text.split('/', 1)[0] ?? ''
  if (isIp(address)) return address
  throw bad(`address ${JSON.stringify(text)} is none`)
}

/** Settings of the usual plugins under their names there, and any option of the driver's under its own. */
function optionsOf(driver: string, config: JsonObject): Labels {
  const mtu = config['mtu']
  const text = (name: string, option: string): Labels => {
    const value = textOf(config, name)
    return value === '' ? {} : { [option]: value }
  }
  const own: Labels =
    driver === 'bridge'
      ? {
          ...text('bridge', 'com.docker.network.bridge.name'),
          ...(booleanOf(config, 'ipMasq', true)
            ? {}
            : { 'com.docker.network.bridge.enable_ip_masquerade': 'false' }),
          ...(booleanOf(config, 'isGateway', true)
            ? {}
            : { 'com.docker.network.bridge.inhibit_ipv4': 'true' }),
        }
      : { ...text('master', 'parent'), ...text('mode', `${driver}_mode`) }
  const given = Object.entries(objectOf(config, 'options')).map(([name, value]) => [name, String(value)])
  return {
    ...own,
    ...(typeof mtu === 'number' && mtu > 0 && { 'com.docker.network.driver.mtu': String(mtu) }),
    ...Object.fromEntries(given),
  }
}

function toRoute(value: unknown): ResultRoute {
  const route = isObject(value) ? value : {}
  const [dst, gw] = [textOf(route, 'dst'), textOf(route, 'gw')]
  if (isCidr(dst) && (gw === '' || isIp(gw))) return { dst, gw }
  throw bad(`route ${JSON.stringify(value)} is none`)
}

/** What the runtime says for one pod goes before what the configuration says for all. */
function toDns(told: JsonObject, config: JsonObject): ResultDns {
  const either = (name: string, other: string): string[] => {
    const texts = textsOf(told, name)
    return texts.length > 0 ? texts : textsOf(config, other)
  }
  return {
    nameservers: either('servers', 'nameservers'),
    domain: textOf(config, 'domain'),
    search: either('searches', 'search'),
    options: either('options', 'options'),
  }
}

/** A host port of 0 is none, as with portmap. */
function toBinding(value: unknown): PortBinding[] {
  const port = isObject(value) ? value : {}
  const [hostPort, containerPort] = [Number(port['hostPort'] ?? 0), Number(port['containerPort'])]
  if (hostPort === 0) return []
  const protocol = (textOf(port, 'protocol') || 'tcp').toLowerCase()
  const hostAddress = textOf(port, 'hostIP')
  const isPort = (number: number): boolean => Number.isInteger(number) && number > 0 && number < 65_536
  const isRight =
    isPort(hostPort) &&
    isPort(containerPort) &&
    ['tcp', 'udp', 'sctp'].includes(protocol) &&
    (hostAddress === '' || isIp(hostAddress))
  if (!isRight) throw bad(`port mapping ${JSON.stringify(value)} is none`)
  return [
    {
      protocol: protocol as Protocol,
      containerPort,
      hostAddress,
      hostInterface: '',
      sources: [],
      hostPolicy: '',
      hostPort,
      hostPortEnd: hostPort,
      count: 1,
    },
  ]
}

/** bytes; less than a full frame would never pass */
const lowestBurst = 2048

/** From bits, as seen from the pod. */
function toRates(bandwidth: JsonObject): Labels {
  const rate = (name: string): string => {
    const [bits, burst] = [Number(bandwidth[`${name}Rate`] ?? 0), Number(bandwidth[`${name}Burst`] ?? 0)]
    if (!(bits > 0)) return ''
    const bytes = Math.min(Math.floor(burst / 8), 2 ** 31)
    return bytes > 0 ? `${bits}bit,burst=${Math.max(bytes, lowestBurst)}` : `${bits}bit`
  }
  const [into, out] = [rate('ingress'), rate('egress')]
  return { ...(into && { [rateOptions.in]: into }), ...(out && { [rateOptions.out]: out }) }
}

export function textOf(object: JsonObject, name: string): string {
  const value = object[name] ?? ''
  if (typeof value === 'string') return value
  throw bad(`${name} ${JSON.stringify(value)} is no text`)
}

export function listOf(object: JsonObject, name: string): readonly unknown[] {
  const value = object[name] ?? []
  if (Array.isArray(value)) return value
  throw bad(`${name} ${JSON.stringify(value)} is no list`)
}

function textsOf(object: JsonObject, name: string): string[] {
  return listOf(object, name).map(String)
}

function objectOf(object: JsonObject, name: string): JsonObject {
  const value = object[name] ?? {}
  if (isObject(value)) return value
  throw bad(`${name} ${JSON.stringify(value)} is no object`)
}

function booleanOf(object: JsonObject, name: string, fallback: boolean): boolean {
  const value = object[name] ?? fallback
  if (typeof value === 'boolean') return value
  throw bad(`${name} ${JSON.stringify(value)} is neither true nor false`)
}

export function bad(what: string): TsnetError {
  return new TsnetError(
    'invalid',
    'bad-cni-config',
    `the configuration of tsnet's CNI plugin is wrong: ${what}`,
  )
}
