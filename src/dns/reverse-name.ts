import { formatIp, isIp } from '../values/ip.ts'

const suffix4 = '.in-addr.arpa'
const suffix6 = '.ip6.arpa'

/** 10.1.0.2 for `2.0.1.10.in-addr.arpa` (RFC 1035, 3.5), likewise for `….ip6.arpa` (RFC 3596, 2.5); else null. */
export function addressOfReverseName(name: string): string | null {
  if (name.endsWith(suffix4)) {
    const address = name.slice(0, -suffix4.length).split('.').reverse().join('.')
    return isIp(address) ? address : null
  }
  if (!name.endsWith(suffix6)) return null
  const nibbles = name.slice(0, -suffix6.length).split('.').reverse()
  if (nibbles.length !== 32 || !nibbles.every((nibble) => /^[0-9a-f]$/.test(nibble))) return null
  return formatIp(Buffer.from(nibbles.join(''), 'hex'))
}
