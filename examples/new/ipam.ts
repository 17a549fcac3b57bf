/** An address manager: docker network create --ipam-driver NAME-OF-THIS-FILE */
import { DriverError, defineDriver } from 'tsnet/driver'

/** Addresses that are given out, by the third byte of their subnet 10.200.x.0/24. */
const pools = new Map<number, Set<string>>()

const numberOf = (subnet: string): number => Number(subnet.split('.')[2])

export default defineDriver({
  apiVersion: 1,
  description: 'Blocks of 10.200.0.0/16',
  ipam: {
    requestPool({ family, subnet }) {
      if (family === 6) throw new DriverError('invalid', 'there are no IPv6 addresses')
      if (subnet !== '' && !/^10\.200\.\d+\.0\/24$/.test(subnet)) {
        throw new DriverError('invalid', `subnet ${subnet} must be 10.200.x.0/24`)
      }
      let number = subnet === '' ? 0 : numberOf(subnet)
      while (subnet === '' && pools.has(number)) number++
      if (number > 255) throw new DriverError('unavailable', 'all blocks are taken')
      pools.set(number, new Set())
      return { subnet: `10.200.${number}.0/24`, gateway: `10.200.${number}.1` }
    },

    releasePool({ subnet }) {
      pools.delete(numberOf(subnet))
    },

    lease({ subnet }, { address, preferred }) {
      const number = numberOf(subnet)
      const leases = pools.get(number) ?? new Set()
      const others = Array.from({ length: 253 }, (_, index) => `10.200.${number}.${index + 2}`)
      const wishes = address !== '' ? [address] : [preferred, ...others].filter((one) => one !== '')
      const free = wishes.find((one) => one === address || !leases.has(one))
      if (free !== undefined) leases.add(free)
      return free ?? null
    },

    release({ subnet }, { address }) {
      pools.get(numberOf(subnet))?.delete(address)
    },

    // This driver keeps its leases in memory: after a start the daemon says what they are.
    adopt({ subnet }, leases) {
      pools.set(numberOf(subnet), new Set(leases.map(({ address }) => address)))
    },
  },
})
