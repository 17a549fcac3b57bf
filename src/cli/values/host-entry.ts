/** `--add-host`, `--dns`, `--dns-search`. */
import { isIP } from 'node:net'
import { badValue } from './bad-value.ts'
import { cut } from './cut.ts'

/** Reads `name:ip` or `name=ip`, the address in brackets or not, or `name:host-gateway`; gives `name:ip`. */
export function parseHostEntry(text: string): string {
  const [name, address] = text.includes('=') ? cut(text, '=') : cut(text, ':')
  if (address === undefined || name === '' || name.includes(':')) {
    throw badValue(`bad format for add-host: ${JSON.stringify(text)}`)
  }
  if (address === 'host-gateway') return `${name}:${address}`
  const bare = /^\[(.+)\]$/.exec(address)?.[1] ?? address
  if (isIP(bare) === 0) throw badValue(`invalid IP address in add-host: ${JSON.stringify(bare)}`)
  return `${name}:${bare}`
}

/** Only an address can be a resolver: a name would need one. */
export function parseDnsServer(text: string): string {
  if (isIP(text.trim()) === 0) throw badValue(`IP address is not correctly formatted: ${text}`)
  return text.trim()
}

/** A search domain, or `.` for none. */
export function parseDnsSearch(text: string): string {
  const domain = text.trim()
  if (domain === '.') return domain
  const label = '[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?'
  const isDomain = new RegExp(`^(${label})(\\.${label})*\\.?$`).test(domain) && /[a-zA-Z]/.test(domain)
  if (!isDomain || domain.length >= 255) throw badValue(`${text} is not a valid domain`)
  return domain.replace(/\.$/, '')
}
