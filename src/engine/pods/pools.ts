/** Subnets of a CNI configuration, in the words of host-local. Pure. */
import { isObject, type JsonObject } from '../../cni/network-list.ts'
import type { PoolRecord } from '../../store/records.ts'
import { blockOf, type Cidr, formatCidr, isCidr, parseCidr } from '../../values/cidr.ts'
import { type Family, familyBits, integerToIp, ipToInteger, isIp } from '../../values/ip.ts'
import { bad, listOf, textOf } from './config.ts'

/** `subnet` with what belongs to it, or `ranges`, a list of lists of these; none for a subnet of tsnet's choice. */
export function parsePools(ipam: JsonObject): PoolRecord[] {
  const type = textOf(ipam, 'type')
  if (!['', 'tsnet', 'host-local'].includes(type)) {
    throw bad(`ipam type ${type}: tsnet gives addresses itself: leave the type out, or write tsnet`)
  }
  const single = ipam['subnet'] === undefined ? [] : [ipam]
  return [...single, ...listOf(ipam, 'ranges').flatMap(itemsOf)].map(toPool)
}

function itemsOf(set: unknown): unknown[] {
  if (Array.isArray(set)) return set
  throw bad(`range set ${JSON.stringify(set)} is no list`)
}

function toPool(value: unknown): PoolRecord {
  const range = isObject(value) ? value : {}
  const [subnet, gateway] = [textOf(range, 'subnet'), textOf(range, 'gateway')]
  if (!isCidr(subnet)) throw bad(`subnet ${JSON.stringify(subnet)} is no CIDR`)
  if (gateway !== '' && !isIp(gateway)) throw bad(`gateway ${JSON.stringify(gateway)} is no address`)
  const block = parseCidr(subnet)
  return { subnet: formatCidr(block), range: rangeOf(block, range), gateway, auxiliary: {} }
}

/** Addresses are given out from a block: its edges may be left out, as the first and last are not given out anyway. */
function rangeOf(block: Cidr, range: JsonObject): string {
  const [start, end] = [textOf(range, 'rangeStart'), textOf(range, 'rangeEnd')]
  if (start === '' && end === '') return ''
  for (const edge of [start, end]) {
    if (edge !== '' && !isIp(edge)) throw bad(`range ${start}-${end} is none`)
  }
  const first = start === '' ? block.first : ipToInteger(start)
  const last = end === '' ? block.last : ipToInteger(end)
  const found = coveringBlock(first, last, block.family)
  const isTight = first - found.first <= 1n && found.last - last <= 1n
  if (first <= last && isTight) return found.prefix <= block.prefix ? '' : formatCidr(found)
  throw bad(
    `range ${start}-${end} is no block, such as ${integerToIp(found.first, block.family)}-${integerToIp(found.last, block.family)}`,
  )
}

function coveringBlock(first: bigint, last: bigint, family: Family): Cidr {
  const bits: number = familyBits(family)
  for (let prefix = bits; ; prefix--) {
    const block = blockOf(integerToIp(first, family), prefix)
    if (block.last >= last || prefix === 0) return block
  }
}
