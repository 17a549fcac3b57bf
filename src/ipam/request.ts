/** Checks a wanted pool before anything is taken. Pure; the texts are Docker's. */
import { TsnetError } from '../errors.ts'
import {
  type Cidr,
  containsCidr,
  containsIp,
  formatCidr,
  hasHostBits,
  isCidr,
  overlaps,
  parseCidr,
} from '../values/cidr.ts'
import { type Family, ipFamily, isIp } from '../values/ip.ts'
import type { PoolRequest } from './ipam.ts'

/** Throws kind 'invalid' with one line for each thing that is wrong. */
export function checkPoolRequest(request: PoolRequest): void {
  const problems = request.subnet === '' ? withoutSubnet(request) : withSubnet(request)
  if (problems.length === 0) return
  throw new TsnetError('invalid', 'bad-network-config', `invalid network config:\n${problems.join('\n')}`)
}

function givenAuxiliary(request: PoolRequest): [name: string, address: string][] {
  return Object.entries(request.auxiliary).filter(([, address]) => address !== '')
}

/** Nothing can lie inside a subnet that is yet to be chosen. */
function withoutSubnet(request: PoolRequest): string[] {
  const given = [
    ...(request.range === '' ? [] : [`ip-range ${request.range}`]),
    ...(!request.gateway ? [] : [`gateway ${request.gateway}`]),
    ...givenAuxiliary(request).map(([name, address]) => `auxiliary address ${name}=${address}`),
  ]
  return given.map((what) => `${what} needs a subnet that contains it: give one with --subnet`)
}

function withSubnet(request: PoolRequest): string[] {
  if (!isCidr(request.subnet)) return [`invalid subnet ${request.subnet}: invalid CIDR block notation`]
  const subnet = parseCidr(request.subnet)
  return [
    ...checkFamily(subnet, request.family),
    ...(hasHostBits(subnet) ? [`invalid subnet ${request.subnet}: it should be ${formatCidr(subnet)}`] : []),
    ...checkKind(subnet),
    ...checkRange(subnet, request.range),
    ...(!request.gateway ? [] : checkAddress(subnet, 'gateway', request.gateway, request.gateway)),
    ...givenAuxiliary(request).flatMap(([name, address]) =>
      checkAddress(subnet, 'auxiliary address', name, address),
    ),
  ]
}

function checkFamily(subnet: Cidr, family: Family): string[] {
  if (subnet.family === family) return []
  return [`invalid subnet ${formatCidr(subnet)}: it is an IPv${subnet.family} block, wanted is IPv${family}`]
}

/** RFC 6890, RFC 5771, RFC 4291: blocks whose addresses no interface of a container can have, or no packet on a wire. */
const specialBlocks: readonly (readonly [kind: string, block: Cidr])[] = [
  ['loopback', parseCidr('127.0.0.0/8')],
  ['multicast', parseCidr('224.0.0.0/4')],
  ['loopback', parseCidr('::1/128')],
  ['IPv4-mapped', parseCidr('::ffff:0:0/96')],
  ['multicast', parseCidr('ff00::/8')],
]

function checkKind(subnet: Cidr): string[] {
  // 0.0.0.0/26 asks for any subnet of that size
  if (subnet.first === 0n && subnet.prefix > 0) return []
  const special = specialBlockIn(subnet)
  return special === null ? [] : [`invalid subnet ${formatCidr(subnet)}: ${special}`]
}

/** What is wrong with a block that has addresses in it which no container can have, in words; null for a right one. */
export function specialBlockIn(wanted: Cidr): string | null {
  const found = specialBlocks.find(([, block]) => overlaps(block, wanted))
  if (found === undefined) return null
  const [kind, block] = found
  return `it has ${kind} addresses in it (${formatCidr(block)}), which no container can have`
}

function checkRange(subnet: Cidr, text: string): string[] {
  if (text === '') return []
  if (!isCidr(text)) return [`invalid ip-range ${text}: invalid CIDR block notation`]
  const range = parseCidr(text)
  if (range.family !== subnet.family) {
    return [`invalid ip-range ${text}: parent subnet is an IPv${subnet.family} block`]
  }
  const problems = hasHostBits(range) ? [`invalid ip-range ${text}: it should be ${formatCidr(range)}`] : []
  if (range.prefix < subnet.prefix) {
    problems.push(
      `invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${formatCidr(subnet)}`,
    )
  } else if (!containsCidr(subnet, range)) {
    problems.push(`invalid ip-range ${text}: parent subnet ${formatCidr(subnet)} doesn't contain ip-range`)
  }
  return problems
}

function checkAddress(subnet: Cidr, what: string, name: string, address: string): string[] {
  if (!isIp(address)) return [`invalid ${what} ${name}: invalid address`]
  if (ipFamily(address) !== subnet.family) {
    return [`invalid ${what} ${name}: parent subnet is an IPv${subnet.family} block`]
  }
  if (containsIp(subnet, address)) return []
  return [`invalid ${what} ${name}: parent subnet ${formatCidr(subnet)} doesn't contain this address`]
}
