/** HostConfig.Egress, tsnet's own: what a container may reach outside its networks, `destination[:port[/protocol]]` each. */
import { TsnetError } from '../../errors.ts'
import type { EgressEntry, Protocol } from '../../store/records.ts'
import { formatCidr, isCidr, parseCidr } from '../../values/cidr.ts'
import { familyBits, ipFamily, isIp } from '../../values/ip.ts'

/** Null stays null: everything. Throws kind 'invalid' for an entry that is none. */
export function toEgress(texts: readonly string[] | null): readonly EgressEntry[] | null {
  if (texts === null) return null
  const entries = texts.map(toEntry)
  return [...new Map(entries.map((entry) => [fromEntry(entry), entry])).values()]
}

export function fromEgress(entries: readonly EgressEntry[]): readonly string[] {
  return entries.map(fromEntry)
}

function toEntry(text: string): EgressEntry {
  // IPv6 alone, without brackets and so without a port
  const whole = toDestination(text)
  if (whole !== null) return { to: whole, protocol: '', port: 0 }
  const [, bracketed, bare, port, protocol = 'tcp'] =
    /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d{1,5})(?:\/(tcp|udp|sctp))?)?$/.exec(text) ?? []
  const to = toDestination(bracketed ?? bare ?? '')
  if (to === null || (bracketed !== undefined && !bracketed.includes(':'))) throw bad(text)
  if (port === undefined) return { to, protocol: '', port: 0 }
  if (Number(port) < 1 || Number(port) > 65_535) throw bad(text)
  return { to, protocol: protocol as Protocol, port: Number(port) }
}

/** Null for what is neither an address, nor a block of them, nor a name. */
function toDestination(text: string): string | null {
  if (isIp(text)) return formatCidr(parseCidr(`${text}/${familyBits(ipFamily(text))}`))
  if (isCidr(text)) return formatCidr(parseCidr(text))
  const name = text.toLowerCase().replace(/\.$/, '')
  return isName(name) ? name : null
}

/** Up to 253 letters, digits, hyphens and underscores in labels of up to 63; the last label is no number, as an address has it. */
function isName(name: string): boolean {
  const label = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?'
  return (
    name.length <= 253 &&
    new RegExp(`^(?:\\*\\.)?${label}(?:\\.${label})*$`).test(name) &&
    !/(^|\.)\d+$/.test(name)
  )
}

function fromEntry({ to, protocol, port }: EgressEntry): string {
  const [address = '', length = ''] = to.split('/')
  const destination = length !== '' && Number(length) === familyBits(ipFamily(address)) ? address : to
  if (protocol === '') return destination
  const place = destination.includes(':') ? `[${destination}]` : destination
  return `${place}:${port}${protocol === 'tcp' ? '' : `/${protocol}`}`
}

function bad(text: string): TsnetError {
  return new TsnetError(
    'invalid',
    'bad-egress',
    `egress entry "${text}" is not an address, subnet or name with or without a port: write 10.0.0.0/8:5432, [2001:db8::1]:443 or *.example.com:53/udp`,
  )
}
