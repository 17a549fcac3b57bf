/** `--network` in both its forms, and `--ip`. */
import { isIP } from 'node:net'
import { badValue } from './bad-value.ts'
import { parseCsvLine } from './csv.ts'
import { cut } from './cut.ts'

/** One `--network`; '' and empty mean that it says nothing of it. */
export interface NetworkFlag {
  name: string
  aliases: string[]
  ip: string
  ip6: string
  mac: string
  links: string[]
  linkLocal: string[]
  driverOptions: Record<string, string>
  gatewayPriority: number
}

type Setter = (network: NetworkFlag, text: string) => void

const setters: Readonly<Record<string, Setter>> = {
  name: (network, text) => {
    network.name = text
  },
  alias: (network, text) => {
    network.aliases.push(text)
  },
  ip: (network, text) => {
    network.ip = parseAddress(text)
  },
  ip6: (network, text) => {
    network.ip6 = parseAddress(text)
  },
  'mac-address': (network, text) => {
    network.mac = text
  },
  'link-local-ip': (network, text) => {
    network.linkLocal.push(parseAddress(text))
  },
  'driver-opt': (network, text) => {
    const [key, content] = cut(text, '=')
    if (content === undefined || key === '') throw badValue('invalid key value pair format in driver options')
    network.driverOptions[key.trim()] = content.trim()
  },
  'gw-priority': (network, text) => {
    if (!/^[+-]?\d+$/.test(text)) throw badValue(`invalid gw-priority (${text}): invalid syntax`)
    network.gatewayPriority = Number(text)
  },
}

/** Reads `NAME` or `name=NAME,alias=web,ip=172.20.0.5`. */
export function parseNetwork(text: string): NetworkFlag {
  const network: NetworkFlag = {
    name: text,
    aliases: [],
    ip: '',
    ip6: '',
    mac: '',
    links: [],
    linkLocal: [],
    driverOptions: {},
    gatewayPriority: 0,
  }
  if (!/\w+=\w+/.test(text)) return network
  network.name = ''
  for (const field of parseCsvLine(text)) setField(network, field)
  if (network.name === '') throw badValue('network name/id is not specified')
  return network
}

function setField(network: NetworkFlag, field: string): void {
  const [named, content] = cut(field, '=')
  if (content === undefined || named === '') throw badValue(`invalid field ${field}`)
  const key = named.trim().toLowerCase()
  const setter = Object.hasOwn(setters, key) ? setters[key] : undefined
  if (!setter) throw badValue(`invalid field key ${key}`)
  setter(network, content.trim())
}

function parseAddress(text: string): string {
  if (isIP(text) === 0) throw badValue(`ParseAddr(${JSON.stringify(text)}): unable to parse IP`)
  return text
}

/** The address of `--ip` and the like. */
export function parseIpFlag(text: string): string {
  if (isIP(text.trim()) === 0) throw badValue(`failed to parse IP: ${JSON.stringify(text)}`)
  return text.trim()
}

/** False for the networks and modes that every daemon has. */
export function isUserDefined(network: string): boolean {
  return !['default', 'bridge', 'host', 'none'].includes(network) && !network.startsWith('container:')
}

/** Throws unless `text` is a MAC of six, eight or twenty octets in one of the three notations. */
export function checkMac(text: string): void {
  const isColons =
    /^[0-9a-f]{2}([:-])[0-9a-f]{2}(\1[0-9a-f]{2}){4}((\1[0-9a-f]{2}){2}((\1[0-9a-f]{2}){12})?)?$/i
  const isDots = /^[0-9a-f]{4}(\.[0-9a-f]{4}){2}((\.[0-9a-f]{4})((\.[0-9a-f]{4}){6})?)?$/i
  if (!isColons.test(text.trim()) && !isDots.test(text.trim()))
    throw badValue(`${text} is not a valid mac address`)
}
