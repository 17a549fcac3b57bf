/** What an ADD answers: the fields that all versions from 0.3.0 on have in common. Pure. */
import { TsnetError } from '../errors.ts'
import { isCidr } from '../values/cidr.ts'
import { isIp } from '../values/ip.ts'
import { isObject, type JsonObject } from './network-list.ts'
import { type CniVersion, hasSince } from './version.ts'

export interface ResultInterface {
  readonly name: string
  readonly mac: string
  /** The path of the namespace that it is in, '' for the host's. */
  readonly sandbox: string
}

export interface ResultAddress {
  /** With prefix length. */
  readonly address: string
  /** '' for none */
  readonly gateway: string
  /** Its interface's place in the list, null where the plugin does not say. */
  readonly interface: number | null
}

export interface ResultRoute {
  /** CIDR */
  readonly dst: string
  /** '' where the address's gateway is meant, or none */
  readonly gw: string
}

export interface ResultDns {
  readonly nameservers: readonly string[]
  readonly domain: string
  readonly search: readonly string[]
  readonly options: readonly string[]
}

export interface CniResult {
  readonly interfaces: readonly ResultInterface[]
  readonly ips: readonly ResultAddress[]
  readonly routes: readonly ResultRoute[]
  readonly dns: ResultDns
}

/** Throws kind 'internal', naming the plugin, for what is no result. */
export function parseResult(plugin: string, json: unknown): CniResult {
  const wrong = (what: string): TsnetError =>
    new TsnetError('internal', 'cni-answer', `CNI plugin ${plugin}: its result is wrong: ${what}`)
  if (!isObject(json)) throw wrong('it is no JSON object')
  const list = (from: JsonObject, field: string): unknown[] => {
    const value = from[field] ?? []
    if (Array.isArray(value)) return value
    throw wrong(`${field} is no list`)
  }
  const objects = (field: string): JsonObject[] =>
    list(json, field).map((value) => {
      if (isObject(value)) return value
      throw wrong(`${JSON.stringify(value)} is none of ${field}`)
    })
  const text = (
    from: JsonObject,
    field: string,
    isRight: (value: string) => boolean = () => true,
  ): string => {
    const value = from[field] ?? ''
    if (typeof value === 'string' && (value === '' || isRight(value))) return value
    throw wrong(`${field} ${JSON.stringify(value)} is none`)
  }
  const needed = (from: JsonObject, field: string, isRight: (value: string) => boolean): string => {
    const value = text(from, field, isRight)
    if (value !== '') return value
    throw wrong(`${field} is missing`)
  }
  const texts = (from: JsonObject, field: string): string[] => list(from, field).map(String)
  const dns = isObject(json['dns']) ? json['dns'] : {}
  return {
    interfaces: objects('interfaces').map((one) => ({
      name: needed(one, 'name', (name) => name.length < 16),
      mac: text(one, 'mac').toLowerCase(),
      sandbox: text(one, 'sandbox'),
    })),
    ips: objects('ips').map((one) => ({
      address: needed(one, 'address', isCidr),
      gateway: text(one, 'gateway', isIp),
      interface: typeof one['interface'] === 'number' ? one['interface'] : null,
    })),
    routes: objects('routes').map((one) => ({ dst: needed(one, 'dst', isCidr), gw: text(one, 'gw', isIp) })),
    dns: {
      nameservers: texts(dns, 'nameservers').filter(isIp),
      domain: text(dns, 'domain'),
      search: texts(dns, 'search'),
      options: texts(dns, 'options'),
    },
  }
}

/** The result as that version writes it: until 0.4.0 each address names its family. */
export function formatResult(version: CniVersion, { interfaces, ips, routes, dns }: CniResult): object {
  return {
    cniVersion: version,
    interfaces: interfaces.map(({ name, mac, sandbox }) => ({ name, mac, ...(sandbox && { sandbox }) })),
    ips: ips.map(({ address, gateway, interface: index }) => ({
      ...(hasSince(version, '1.0.0') ? {} : { version: address.includes(':') ? '6' : '4' }),
      address,
      ...(gateway && { gateway }),
      ...(index !== null && { interface: index }),
    })),
    routes: routes.map(({ dst, gw }) => ({ dst, ...(gw && { gw }) })),
    dns: {
      ...(dns.nameservers.length > 0 && { nameservers: dns.nameservers }),
      ...(dns.domain && { domain: dns.domain }),
      ...(dns.search.length > 0 && { search: dns.search }),
      ...(dns.options.length > 0 && { options: dns.options }),
    },
  }
}
