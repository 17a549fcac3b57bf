/** The address flags of `network create`. */
import { BlockList, isIP } from 'node:net'
import { badValue } from './bad-value.ts'
import { cut } from './cut.ts'

/** Lists in the order given; `auxiliary` is addresses by name. */
export interface IpamFlags {
  readonly subnets: readonly string[]
  readonly ranges: readonly string[]
  readonly gateways: readonly string[]
  readonly auxiliary: Readonly<Record<string, string>>
}

/** One pool in the API's words. */
export interface IpamConfig {
  Subnet: string
  IPRange?: string
  Gateway?: string
  AuxiliaryAddresses?: Record<string, string>
}

/** A name with an address, as `--aux-address` takes it. */
export function checkAuxiliary(pair: string): void {
  const [name, address = ''] = cut(pair, '=')
  if (name !== '' && isIP(address) !== 0) return
  throw badValue(
    `wanted is a name with an IP address, such as router=${isIP(name) === 0 ? '10.0.0.5' : name}`,
  )
}

/** One pool per subnet, each range, gateway and auxiliary address put to the subnet that holds it. */
export function assignAddresses(flags: IpamFlags): readonly IpamConfig[] {
  const { subnets, ranges, gateways } = flags
  if (subnets.length < ranges.length || subnets.length < gateways.length) {
    throw badValue('every ip-range or gateway must have a corresponding subnet')
  }
  checkOverlaps(subnets)
  const pools = subnets.map((subnet): IpamConfig => ({ Subnet: subnet }))
  for (const range of ranges) assignRange(poolOf(pools, range, 'range'), range)
  for (const gateway of gateways) assignGateway(poolOf(pools, gateway, 'gateway'), gateway)
  for (const [name, address] of Object.entries(flags.auxiliary)) {
    const pool = poolOf(pools, address, 'aux-address')
    pool.AuxiliaryAddresses = { ...pool.AuxiliaryAddresses, [name]: address }
  }
  return pools
}

function checkOverlaps(subnets: readonly string[]): void {
  subnets.forEach((subnet, index) => {
    const isOverlap = (other: string) => holds(subnet, other) || holds(other, subnet)
    if (subnets.slice(0, index).some(isOverlap)) {
      throw badValue('multiple overlapping subnet configuration is not supported')
    }
  })
}

function poolOf(pools: readonly IpamConfig[], address: string, what: string): IpamConfig {
  const pool = pools.find((one) => holds(one.Subnet, address))
  if (!pool) throw badValue(`no matching subnet for ${what} ${address}`)
  return pool
}

function assignRange(pool: IpamConfig, range: string): void {
  if (pool.IPRange !== undefined) {
    throw badValue(
      `cannot configure multiple ranges (${range}, ${pool.IPRange}) on the same subnet (${pool.Subnet})`,
    )
  }
  pool.IPRange = range
}

function assignGateway(pool: IpamConfig, gateway: string): void {
  if (pool.Gateway !== undefined) {
    throw badValue(
      `cannot configure multiple gateways (${gateway}, ${pool.Gateway}) for the same subnet (${pool.Subnet})`,
    )
  }
  pool.Gateway = gateway
}

/** Whether the first address of `data` (an address or a block) is inside `subnet`. */
function holds(subnet: string, data: string): boolean {
  const [network, prefix] = splitCidr(subnet)
  const address = cut(data, '/')[0]
  const family = isIP(network)
  if (isIP(address) !== family) return false
  const block = new BlockList()
  block.addSubnet(network, prefix, family === 4 ? 'ipv4' : 'ipv6')
  return block.check(address, family === 4 ? 'ipv4' : 'ipv6')
}

function splitCidr(text: string): [address: string, prefix: number] {
  const [address, length] = cut(text, '/')
  const bits = isIP(address) === 6 ? 128 : 32
  const isPrefix = length !== undefined && /^\d{1,3}$/.test(length) && Number(length) <= bits
  if (isIP(address) === 0 || !isPrefix) throw badValue(`invalid subnet: invalid CIDR address: ${text}`)
  return [address, Number(length)]
}
