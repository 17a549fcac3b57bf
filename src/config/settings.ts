/** Single settings: what was given becomes what counts, or is refused. All throw kind 'invalid'. */
import { hostname } from 'node:os'
import { type Cidr, containsIp, parseCidr } from '../values/cidr.ts'
import { parseDuration } from '../values/duration.ts'
import { ipFamily, isIp } from '../values/ip.ts'
import { badSetting } from './bad-setting.ts'
import type { Config, TlsFiles } from './config.ts'
import type { Given } from './given.ts'

const largestInitPool = 64

export function parseTls(given: Given): TlsFiles | null {
  const [ca, cert, key] = [given.value('tlscacert'), given.value('tlscert'), given.value('tlskey')]
  const isWanted = given.value('tlsverify') === true
  if (ca === undefined && cert === undefined && key === undefined && !isWanted) return null
  if (ca === undefined || cert === undefined || key === undefined) {
    throw badSetting('tls needs --tlscacert, --tlscert and --tlskey together')
  }
  return { ca: String(ca), cert: String(cert), key: String(key) }
}

export function checkHosts(hosts: readonly string[], tls: TlsFiles | null): readonly string[] {
  for (const host of hosts) {
    if (!/^(unix:\/\/\/|tcp:\/\/)/.test(host))
      throw badSetting(`host "${host}" must be unix:///path or tcp://address:port`)
    if (host.startsWith('tcp://') && tls === null) {
      throw badSetting(
        `host "${host}" would let anybody in: give --tlscacert, --tlscert and --tlskey, or a unix:// host`,
      )
    }
  }
  return hosts
}

export function checkAddresses(name: string, addresses: readonly string[]): readonly string[] {
  const wrong = addresses.find((address) => !isIp(address))
  if (wrong !== undefined) throw badSetting(`--${name} "${wrong}" must be an IP address`)
  return addresses
}

/** RFC 6890, RFC 4291: of these none is the address of one host alone. */
const nobodysBlocks = ['0.0.0.0/8', '224.0.0.0/3', '::/128', '::ffff:0:0/96', 'fe80::/10', 'ff00::/8'].map(
  parseCidr,
)

/** Not all addresses: answers would leave from others than were asked, and whoever reaches the host would hear of every container. */
export function checkHostListen(address: string): string {
  if (address === '') return address
  if (isIp(address) && !nobodysBlocks.some((block) => isInside(block, address))) return address
  throw badSetting(`--dns-host-listen "${address}" must be one IP address of the host, e.g. 127.0.0.54`)
}

function isInside(block: Cidr, address: string): boolean {
  return ipFamily(address) === block.family && containsIp(block, address)
}

/** As Go's: without an address on every one, IPv6 in brackets. */
export function parseMetricsAddress(text: string): Config['metrics'] {
  if (text === '') return null
  const [, bracketed, plain = '', port = ''] = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? []
  const isAddress = bracketed === undefined || (isIp(bracketed) && bracketed.includes(':'))
  if (port !== '' && Number(port) <= 65535 && isAddress)
    return { host: bracketed ?? plain, port: Number(port) }
  throw badSetting(`--metrics-addr "${text}" must be ADDRESS:PORT, e.g. 127.0.0.1:9323 or [::1]:9323`)
}

export function checkDrivers(files: readonly string[]): readonly string[] {
  const relative = files.find((file) => !file.startsWith('/'))
  if (relative === undefined) return files
  throw badSetting(`--driver "${relative}" must be an absolute path`)
}

export function checkCluster(url: string): string {
  if (url === '' || url.startsWith('etcd://')) return url
  throw badSetting(`--cluster "${url}" must name servers of etcd, e.g. etcd://10.0.0.1:2379,10.0.0.2:2379`)
}

/** Whatever a host is called that is in no cluster is no fault. */
export function parseNodeName(given: Given): string {
  const name = given.text('node-name', hostname())
  if (given.text('cluster', '') === '' || /^[A-Za-z0-9][A-Za-z0-9_.-]{0,252}$/.test(name)) return name
  throw badSetting(
    `--node-name "${name}" must be a host's name: letters, digits, dots, dashes and underscores`,
  )
}

export function parseInitPool(text: string): number {
  if (/^\d+$/.test(text) && Number(text) <= largestInitPool) return Number(text)
  throw badSetting(`--init-pool "${text}" must be a number from 0 to ${largestInitPool}`)
}

export function parseTrashAge(text: string): number {
  const age = text === '0' ? 0 : parseDuration(text)
  if (age !== undefined) return age
  throw badSetting(`--volume-trash-age "${text}" must be a duration, e.g. 24h or 1h30m, or 0`)
}

export function parseTrashSpace(text: string): number {
  const [, percent] = /^(\d{1,2}(?:\.\d+)?|100)%$/.exec(text) ?? []
  if (percent !== undefined) return Number(percent) / 100
  throw badSetting(`--volume-trash-space "${text}" must be a share of the file system, e.g. 10%`)
}
