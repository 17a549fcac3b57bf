/** What every address manager with pools does. Each check gets one without pools of its own. */
import assert from 'node:assert/strict'
import type { PoolIpam, PoolRequest } from '../../ipam/ipam.ts'
import type { Labels, PoolRecord } from '../../store/records.ts'
import { containsIp, parseCidr } from '../../values/cidr.ts'
import type { Check } from './check.ts'

export interface IpamLab {
  readonly driver: PoolIpam
  options(): Labels
  /** The manager of a daemon that starts now in place of the other. */
  restart(): PoolIpam | Promise<PoolIpam>
  /** Releases every pool. */
  close(): Promise<void>
}

export const ipamChecks: readonly Check<IpamLab>[] = [
  {
    title: 'gives networks that name no subnet different ones',
    async run(lab) {
      const pools = [await take(lab, 'one'), await take(lab, 'two'), await take(lab, 'three')]
      assert.equal(new Set(pools.map(({ subnet }) => subnet)).size, 3)
    },
  },
  {
    title: 'gives a gateway inside the subnet, or none',
    async run(lab) {
      const { subnet, gateway } = await take(lab, 'net')
      if (gateway !== '') assert.ok(containsIp(parseCidr(subnet), gateway), `${gateway} is not in ${subnet}`)
    },
  },
  {
    title: 'gives every owner an address of its own, inside the subnet and with its prefix length',
    async run(lab) {
      const pool = await take(lab, 'net')
      const leases = await Promise.all(
        Array.from({ length: 8 }, (_, number) => lab.driver.lease(pool, `owner${number}`, {})),
      )
      assert.equal(new Set(leases).size, 8, leases.join(', '))
      const { prefix, network } = parseCidr(pool.subnet)
      for (const lease of leases) {
        assert.ok(lease.endsWith(`/${prefix}`) && containsIp(parseCidr(pool.subnet), bare(lease)), lease)
        assert.ok(![pool.gateway, network].includes(bare(lease)), `${lease} is the network's own`)
      }
    },
  },
  {
    title: 'gives the address that is asked for, and to nobody else while it is held',
    async run(lab) {
      const pool = await take(lab, 'net')
      const address = await freeAddress(lab, pool)
      assert.equal(bare(await lab.driver.lease(pool, 'web', { address })), address)
      await assert.rejects(lab.driver.lease(pool, 'db', { address }), { kind: 'conflict' })
      assert.equal(bare(await lab.driver.lease(pool, 'web', { address })), address)
    },
  },
  {
    title: 'gives an address again once it is released, and only its holder can do that',
    async run(lab) {
      const pool = await take(lab, 'net')
      const address = await freeAddress(lab, pool)
      await lab.driver.lease(pool, 'web', { address })
      await lab.driver.release(pool, 'db', address)
      await assert.rejects(lab.driver.lease(pool, 'db', { address }), { kind: 'conflict' })
      await lab.driver.release(pool, 'web', address)
      await lab.driver.release(pool, 'web', address)
      assert.equal(bare(await lab.driver.lease(pool, 'db', { address })), address)
    },
  },
  {
    title: 'gives another address when the preferred one is taken',
    async run(lab) {
      const pool = await take(lab, 'net')
      const taken = bare(await lab.driver.lease(pool, 'web', {}))
      assert.notEqual(bare(await lab.driver.lease(pool, 'db', { preferred: taken })), taken)
    },
  },
  {
    title: 'refuses an address outside the subnet',
    async run(lab) {
      const pool = await take(lab, 'net')
      const address = pool.subnet.includes(':') ? '2001:db8::1' : '203.0.113.7'
      await assert.rejects(lab.driver.lease(pool, 'web', { address }), { kind: 'invalid' })
    },
  },
  {
    title: 'releases a pool twice, and has it to give again',
    async run(lab) {
      const { subnet } = await take(lab, 'net')
      const again = { ...request(lab), subnet }
      const pool = { subnet, range: '', gateway: '', auxiliary: {} }
      await lab.driver.releasePool(pool)
      await lab.driver.releasePool(pool)
      assert.equal((await lab.driver.requestPool('net', again)).subnet, subnet)
    },
  },
  {
    title: 'knows after a restart of the daemon what is leased',
    async run(lab) {
      const pool = await take(lab, 'net')
      const address = bare(await lab.driver.lease(pool, 'web', {}))
      const driver = await lab.restart()
      await driver.adopt('net', pool, [{ owner: 'web', address, used: true }])
      await assert.rejects(driver.lease(pool, 'db', { address }), { kind: 'conflict' })
      assert.notEqual(bare(await driver.lease(pool, 'db', {})), address)
      assert.equal(bare(await driver.lease(pool, 'web', { address })), address)
    },
  },
]

function request(lab: IpamLab): PoolRequest {
  return { family: 4, subnet: '', range: '', gateway: '', auxiliary: {}, options: lab.options() }
}

function take(lab: IpamLab, owner: string): Promise<PoolRecord> {
  return lab.driver.requestPool(owner, request(lab))
}

/** One that the driver itself holds for one that can be given. */
async function freeAddress(lab: IpamLab, pool: PoolRecord): Promise<string> {
  const address = bare(await lab.driver.lease(pool, 'first', {}))
  await lab.driver.release(pool, 'first', address)
  return address
}

const bare = (address: string): string => address.split('/', 1)[0] ?? ''
