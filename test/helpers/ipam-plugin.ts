/** An address plugin as small as one can be that works: subnets 10.200.N.0/29 of its own choice, or those asked for. */
import type { Fields, Methods } from './docker-plugin.ts'

export function countedAddresses(): Methods {
  const pools = new Map<string, Set<string>>()
  const poolOf = (id: unknown): Set<string> => {
    const pool = pools.get(String(id))
    if (pool === undefined) throw new Error(`pool ${id} is unknown`)
    return pool
  }
  const subnetOf = (id: unknown): string => String(id).replace('pool ', '')
  return {
    'IpamDriver.GetCapabilities': () => ({ RequiresMACAddress: false }),
    'IpamDriver.GetDefaultAddressSpaces': () => ({
      LocalDefaultAddressSpace: 'here',
      GlobalDefaultAddressSpace: 'everywhere',
    }),
    'IpamDriver.RequestPool': ({ AddressSpace: space, Pool: wanted, V6: six }) => {
      if (space !== 'here' || six === true) throw new Error('there is IPv4 here alone')
      const subnet = wanted === '' ? `10.200.${pools.size}.0/29` : String(wanted)
      const id = `pool ${subnet}`
      if (pools.has(id)) throw new Error(`${subnet} is taken`)
      pools.set(id, new Set())
      return { PoolID: id, Pool: subnet, Data: {} }
    },
    'IpamDriver.ReleasePool': ({ PoolID: id }) => {
      if (!pools.delete(String(id))) throw new Error(`pool ${id} is unknown`)
      return {}
    },
    'IpamDriver.RequestAddress': ({ PoolID: id, Address: wanted }) => {
      const [base = '', prefix] = subnetOf(id).split('/')
      const hosts = [1, 2, 3, 4, 5, 6].map((host) => base.replace(/\d+$/, String(host)))
      const free = hosts.filter((address) => !poolOf(id).has(address))
      const address = wanted === '' ? free[0] : free.find((one) => one === wanted)
      if (address === undefined) throw new Error(`there is no such address left: ${wanted || 'any'}`)
      poolOf(id).add(address)
      return { Address: `${address}/${prefix}` }
    },
    'IpamDriver.ReleaseAddress': ({ PoolID: id, Address: address }: Fields) => {
      if (!poolOf(id).delete(String(address))) throw new Error(`${address} is free`)
      return {}
    },
  }
}
