/** The texts of a container's /etc/hosts and /etc/hostname, as Docker writes them. Pure. */
import { TsnetError } from '../errors.ts'
import { isIp } from '../values/ip.ts'

/** A line of /etc/hosts. */
export interface HostEntry {
  readonly address: string
  readonly names: readonly string[]
}

/** The lines that every container starts with. */
const loopbackHosts: readonly HostEntry[] = [
  { address: '127.0.0.1', names: ['localhost'] },
  { address: '::1', names: ['localhost', 'ip6-localhost', 'ip6-loopback'] },
  { address: 'fe00::', names: ['ip6-localnet'] },
  { address: 'ff00::', names: ['ip6-mcastprefix'] },
  { address: 'ff02::1', names: ['ip6-allnodes'] },
  { address: 'ff02::2', names: ['ip6-allrouters'] },
]

/** The text of /etc/hosts: loopback, then the user's extra hosts, then the container's own addresses. */
export function hostsText(extra: readonly HostEntry[], own: readonly HostEntry[]): string {
  return formatHosts([...loopbackHosts, ...extra, ...own])
}

/** On the host's network a container sees the host's own file, with the extra hosts after it. */
export function hostNetworkHostsText(hostFile: string, extra: readonly HostEntry[]): string {
  const end = hostFile === '' || hostFile.endsWith('\n') ? '' : '\n'
  return `${hostFile}${end}${formatHosts(extra)}`
}

function formatHosts(entries: readonly HostEntry[]): string {
  return entries.map(({ address, names }) => `${address}\t${names.join(' ')}\n`).join('')
}

/** The container's entry for one of its addresses: its full name, if it has a domain, before the bare one. */
export function ownHost(address: string, hostname: string, domainname: string): HostEntry {
  return { address, names: domainname === '' ? [hostname] : [`${hostname}.${domainname}`, hostname] }
}

/**
 * Reads `--add-host` values, `name:address`, the address bare or in brackets. `host-gateway` as the address stands for
 * `gateways`, one entry each. Throws kind 'invalid'.
 */
export function parseExtraHosts(values: readonly string[], gateways: readonly string[]): HostEntry[] {
  return values.flatMap((value) => {
    const [, name = '', text = ''] = /^([^:]*):(.*)$/.exec(value) ?? []
    if (name === '') throw badHost(value)
    if (text === 'host-gateway')
      return gatewaysOf(value, gateways).map((address) => ({ address, names: [name] }))
    const address = text.replace(/^\[(.*)\]$/, '$1')
    if (!isIp(address)) throw badHost(value)
    return [{ address, names: [name] }]
  })
}

function gatewaysOf(value: string, gateways: readonly string[]): readonly string[] {
  if (gateways.length > 0) return gateways
  throw new TsnetError(
    'invalid',
    'no-host-gateway',
    `extra host ${JSON.stringify(value)}: unable to derive the IP value for host-gateway, as the default bridge has no address`,
  )
}

function badHost(value: string): TsnetError {
  const text = `bad format for add-host: ${JSON.stringify(value)}, wanted is name:address or name:host-gateway`
  return new TsnetError('invalid', 'bad-extra-host', text)
}

export function hostnameText(hostname: string): string {
  return `${hostname}\n`
}
