/** What every address manager must do. An implementation runs it with a way to make a fresh manager. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { PoolIpam, PoolRequest } from '../../src/ipam/ipam.ts'
import { containsIp, parseCidr } from '../../src/values/cidr.ts'

export function poolRequest(part: Partial<PoolRequest> = {}): PoolRequest {
  return { family: 4, subnet: '', range: '', gateway: '', auxiliary: {}, options: {}, ...part }
}

const addressOf = (lease: string) => lease.split('/')[0]!

/** `remote`: what a plugin keeps and counts itself is no part of its adapter's contract; its errors begin with its name. */
export function describeIpam(name: string, create: () => PoolIpam, remote = false): void {
  const ofOwn = (title: string, body: () => unknown): void => {
    if (!remote) test(title, body)
  }
  describe(`the ${name} address manager`, () => {
    describe('pools', () => {
      test('a wanted subnet comes back in canonical form with a gateway inside', async () => {
        const pool = await create().requestPool('net', poolRequest({ subnet: '10.9.0.0/24' }))
        expect(pool.subnet).toBe('10.9.0.0/24')
        expect(containsIp(parseCidr(pool.subnet), pool.gateway)).toBe(true)
      })

      test('networks that name no subnet get different ones', async () => {
        const ipam = create()
        const subnets = new Set<string>()
        for (let i = 0; i < 50; i++) subnets.add((await ipam.requestPool(`net${i}`, poolRequest())).subnet)
        expect(subnets.size).toBe(50)
      })

      test('an IPv6 request without a subnet gets a unique local /64', async () => {
        const pool = await create().requestPool('net', poolRequest({ family: 6 }))
        expect(pool.subnet).toMatch(/^fd.*\/64$/)
      })

      test('a subnet inside another network’s is refused, and free again after its release', async () => {
        const ipam = create()
        const pool = await ipam.requestPool('one', poolRequest({ subnet: '10.9.0.0/16' }))
        const inside = poolRequest({ subnet: '10.9.7.0/24' })
        await expect(ipam.requestPool('two', inside)).rejects.toThrow(
          /^(driver own: )?Pool overlaps with other one on this address space/,
        )
        await ipam.releasePool(pool)
        await ipam.releasePool(pool)
        expect((await ipam.requestPool('two', inside)).subnet).toBe('10.9.7.0/24')
      })

      test('an auxiliary address on an edge of the subnet is refused by name', async () => {
        const bad = poolRequest({ subnet: '10.9.0.0/24', auxiliary: { printer: '10.9.0.255' } })
        await expect(create().requestPool('net', bad)).rejects.toThrow(
          /^failed to allocate secondary ip address \(printer:10\.9\.0\.255\): (driver own: )?Address already in use/,
        )
      })

      test.each(['10.9.0.1', ''])(
        'an auxiliary address is not the gateway’s, which is given as "%s"',
        async (gateway) => {
          const bad = poolRequest({ subnet: '10.9.0.0/24', gateway, auxiliary: { printer: '10.9.0.1' } })
          await expect(create().requestPool('net', bad)).rejects.toThrow(
            /^failed to allocate secondary ip address \(printer:10\.9\.0\.1\): (driver own: )?Address already in use/,
          )
        },
      )

      test('a pool that is to have no gateway keeps no address for one', async () => {
        const ipam = create()
        const pool = await ipam.requestPool('net', poolRequest({ subnet: '10.9.0.0/30', gateway: null }))
        expect(pool.gateway).toBe('')
        const leased = [await ipam.lease(pool, 'one', {}), await ipam.lease(pool, 'two', {})]
        expect(leased).toEqual(['10.9.0.1/30', '10.9.0.2/30'])
        await ipam.requestPool('other', poolRequest({ gateway: null }))
      })

      test('an auxiliary address that is left open is a free one of the range, and is held', async () => {
        const ipam = create()
        const part = {
          subnet: '10.9.0.0/24',
          range: '10.9.0.64/30',
          auxiliary: { host: '', printer: '10.9.0.65' },
        }
        const pool = await ipam.requestPool('net', poolRequest({ ...part, gateway: '10.9.0.1' }))
        expect(pool.auxiliary).toEqual({ host: '10.9.0.64', printer: '10.9.0.65' })
        await expect(ipam.lease(pool, 'one', { address: '10.9.0.64' })).rejects.toThrow(
          /auxiliary address host/,
        )
        const small = poolRequest({ subnet: '10.8.0.0/30', auxiliary: { a: '', b: '' } })
        await expect(ipam.requestPool('small', small)).rejects.toMatchObject({
          kind: remote ? 'internal' : 'unavailable',
        })
        await ipam.requestPool('small', poolRequest({ subnet: '10.8.0.0/30' }))
      })

      test('a refused gateway leaves no pool behind', async () => {
        const ipam = create()
        const bad = poolRequest({ subnet: '10.9.0.0/24', gateway: '10.9.0.255' })
        await expect(ipam.requestPool('net', bad)).rejects.toThrow(/gateway/)
        await ipam.requestPool('net', poolRequest({ subnet: '10.9.0.0/24' }))
      })
    })

    describe('leases', () => {
      test('no two owners hold one address, none is outside, until the last is given out', async () => {
        const ipam = create()
        const pool = await ipam.requestPool('net', poolRequest({ subnet: '10.9.0.0/26' }))
        const leases = new Set<string>()
        for (let i = 0; i < 61; i++) leases.add(await ipam.lease(pool, `ep${i}`, {}))
        expect(leases.size).toBe(61)
        const taken = [pool.gateway, '10.9.0.0', '10.9.0.63']
        expect([...leases].filter((lease) => taken.includes(addressOf(lease)))).toEqual([])
        expect([...leases].every((lease) => lease.endsWith('/26'))).toBe(true)
        await expect(ipam.lease(pool, 'late', {})).rejects.toThrow(
          /^(driver own: )?no available addresses on this pool/,
        )
      })

      test('any order of leases and releases keeps one owner for each address', async () => {
        const call = fc.tuple(fc.constantFrom('lease', 'static', 'release'), fc.nat(20), fc.nat(15))
        await fc.assert(
          fc.asyncProperty(fc.array(call, { maxLength: 80 }), async (calls) => {
            const ipam = create()
            const pool = await ipam.requestPool('net', poolRequest({ subnet: '10.9.0.0/28' }))
            const held = new Map<string, string>([
              [pool.gateway, 'net'],
              ['10.9.0.0', 'edge'],
              ['10.9.0.15', 'edge'],
            ])
            for (const [what, owner, last] of calls) {
              const address = `10.9.0.${last}`
              if (what === 'release') {
                await ipam.release(pool, `ep${owner}`, address)
                if (held.get(address) === `ep${owner}`) held.delete(address)
                continue
              }
              const wish = what === 'static' ? { address } : {}
              const lease = await ipam.lease(pool, `ep${owner}`, wish).catch(() => null)
              if (lease === null) {
                expect(what === 'static' ? held.has(address) : held.size === 16).toBe(true)
                continue
              }
              expect(held.get(addressOf(lease)) ?? `ep${owner}`).toBe(`ep${owner}`)
              if (what === 'lease') expect(held.has(addressOf(lease))).toBe(false)
              held.set(addressOf(lease), `ep${owner}`)
            }
          }),
          { numRuns: 60 },
        )
      })

      test('a static address in use names its holder', async () => {
        const ipam = create()
        const pool = await ipam.requestPool('net', poolRequest({ subnet: '10.9.0.0/24' }))
        await ipam.lease(pool, 'web', { address: '10.9.0.9' })
        await expect(ipam.lease(pool, 'db', { address: '10.9.0.9' })).rejects.toMatchObject({
          kind: 'conflict',
          message: expect.stringMatching(/^Address already in use.*web/),
        })
      })

      test('the holder of a static address may ask for it again', async () => {
        const ipam = create()
        const pool = await ipam.requestPool('net', poolRequest({ subnet: '10.9.0.0/24' }))
        const wish = { address: '10.9.0.9' }
        expect(await ipam.lease(pool, 'web', wish)).toBe(await ipam.lease(pool, 'web', wish))
      })

      test('an address outside the subnet is refused', async () => {
        const ipam = create()
        const pool = await ipam.requestPool('net', poolRequest({ subnet: '10.9.0.0/24' }))
        await expect(ipam.lease(pool, 'web', { address: '10.8.0.9' })).rejects.toThrow(
          'no configured subnet contains IP address 10.8.0.9',
        )
      })

      test('a preferred address is given when free, and another one when not', async () => {
        const ipam = create()
        const pool = await ipam.requestPool('net', poolRequest({ subnet: '10.9.0.0/24' }))
        expect(await ipam.lease(pool, 'a', { preferred: '10.9.0.77/24' })).toBe('10.9.0.77/24')
        const other = await ipam.lease(pool, 'b', { preferred: '10.9.0.77' })
        expect(other).not.toBe('10.9.0.77/24')
        expect(containsIp(parseCidr(pool.subnet), addressOf(other))).toBe(true)
      })

      test('a stranger cannot release a lease', async () => {
        const ipam = create()
        const pool = await ipam.requestPool('net', poolRequest({ subnet: '10.9.0.0/24' }))
        await ipam.lease(pool, 'web', { address: '10.9.0.9' })
        await ipam.release(pool, 'db', '10.9.0.9')
        await expect(ipam.lease(pool, 'db', { address: '10.9.0.9' })).rejects.toThrow(/already in use/)
        await ipam.release(pool, 'web', '10.9.0.9/24')
        await ipam.release(pool, 'web', '10.9.0.9/24')
        expect(await ipam.lease(pool, 'db', { address: '10.9.0.9' })).toBe('10.9.0.9/24')
      })

      test('free addresses come from the range only, static ones from the whole subnet', async () => {
        const ipam = create()
        const pool = await ipam.requestPool(
          'net',
          poolRequest({ subnet: '10.9.0.0/16', range: '10.9.5.0/29' }),
        )
        expect(pool.gateway).toBe('10.9.5.0')
        for (let i = 0; i < 7; i++)
          expect(await ipam.lease(pool, `ep${i}`, {})).toMatch(/^10\.9\.5\.[1-7]\/16$/)
        await expect(ipam.lease(pool, 'late', {})).rejects.toThrow(/^(driver own: )?no available addresses/)
        expect(await ipam.lease(pool, 'static', { address: '10.9.200.1' })).toBe('10.9.200.1/16')
      })

      test('auxiliary addresses are never given out', async () => {
        const ipam = create()
        const auxiliary = { printer: '10.9.0.2', camera: '10.9.0.3' }
        const pool = await ipam.requestPool('net', poolRequest({ subnet: '10.9.0.0/29', auxiliary }))
        const leases = [
          await ipam.lease(pool, 'a', {}),
          await ipam.lease(pool, 'b', {}),
          await ipam.lease(pool, 'c', {}),
        ]
        expect(leases).toEqual(['10.9.0.4/29', '10.9.0.5/29', '10.9.0.6/29'])
        await expect(ipam.lease(pool, 'd', { address: '10.9.0.2' })).rejects.toThrow(/in use.*printer/)
      })

      test('both addresses of a /31 are usable', async () => {
        const ipam = create()
        const two = await ipam.requestPool('two', poolRequest({ subnet: '10.9.0.0/31' }))
        expect([two.gateway, await ipam.lease(two, 'a', {})]).toEqual(['10.9.0.0', '10.9.0.1/31'])
      })

      ofOwn('a single address is a container’s, and too little where there is to be a gateway', async () => {
        const ipam = create()
        const single = poolRequest({ subnet: '10.9.1.1/32' })
        for (const gateway of ['', '10.9.1.1']) {
          await expect(ipam.requestPool('net', { ...single, gateway })).rejects.toThrow(
            `failed to allocate gateway (${gateway}): No available addresses on this pool`,
          )
        }
        const pool = await ipam.requestPool('net', { ...single, gateway: null })
        expect(await ipam.lease(pool, 'web', {})).toBe('10.9.1.1/32')
      })

      test('a /64 gives addresses in order and any static one', async () => {
        const ipam = create()
        const pool = await ipam.requestPool('net', poolRequest({ family: 6, subnet: 'fd00:9::/64' }))
        expect(pool.gateway).toBe('fd00:9::1')
        expect(await ipam.lease(pool, 'a', {})).toBe('fd00:9::2/64')
        expect(await ipam.lease(pool, 'b', { address: 'FD00:9::FFFF:0:0:1' })).toBe('fd00:9::ffff:0:0:1/64')
        await expect(ipam.lease(pool, 'c', { address: 'fd00:9::ffff:0:0:1' })).rejects.toThrow(
          /already in use/,
        )
      })
    })

    describe('an address that its owner does not use for now', () => {
      const small = poolRequest({ subnet: '10.9.0.0/29' })

      test('is its owner’s again, while strangers get others', async () => {
        const ipam = create()
        const pool = await ipam.requestPool('net', small)
        const address = addressOf(await ipam.lease(pool, 'web', {}))
        await ipam.keep(pool, 'web', address)
        await ipam.keep(pool, 'web', address)
        for (const stranger of ['a', 'b', 'c', 'd'])
          expect(addressOf(await ipam.lease(pool, stranger, { preferred: address }))).not.toBe(address)
        expect(addressOf(await ipam.lease(pool, 'web', { preferred: address }))).toBe(address)
        await expect(ipam.lease(pool, 'late', {})).rejects.toThrow(
          /^(driver own: )?no available addresses on this pool/,
        )
      })

      test('goes to a stranger when no other is left, that of the longest unused first', async () => {
        const ipam = create()
        const pool = await ipam.requestPool('net', small)
        const owners = ['a', 'b', 'c', 'd', 'e']
        const addresses = new Map<string, string>()
        for (const owner of owners) addresses.set(owner, addressOf(await ipam.lease(pool, owner, {})))
        for (const owner of ['c', 'a']) await ipam.keep(pool, owner, addresses.get(owner)!)
        const [first, second] = [await ipam.lease(pool, 'x', {}), await ipam.lease(pool, 'y', {})]
        expect([first, second].map(addressOf)).toEqual([addresses.get('c'), addresses.get('a')])
        await expect(ipam.lease(pool, 'z', {})).rejects.toThrow(
          /^(driver own: )?no available addresses on this pool/,
        )
      })

      test('goes to whoever asks for it by name', async () => {
        const ipam = create()
        const pool = await ipam.requestPool('net', small)
        const address = addressOf(await ipam.lease(pool, 'web', {}))
        await ipam.keep(pool, 'web', address)
        expect(addressOf(await ipam.lease(pool, 'db', { address }))).toBe(address)
        expect(addressOf(await ipam.lease(pool, 'web', { preferred: address }))).not.toBe(address)
        await ipam.release(pool, 'web', address)
        await expect(ipam.lease(pool, 'late', { address })).rejects.toThrow(/already in use.*db/)
      })

      test('cannot be given up by a stranger, and is free once its owner releases it', async () => {
        const ipam = create()
        const pool = await ipam.requestPool(
          'net',
          poolRequest({ subnet: '10.9.0.0/30', gateway: '10.9.0.1' }),
        )
        await ipam.lease(pool, 'web', { address: '10.9.0.2' })
        await ipam.keep(pool, 'stranger', '10.9.0.2')
        await expect(ipam.lease(pool, 'db', {})).rejects.toThrow(/no available addresses/)
        await ipam.keep(pool, 'web', '10.9.0.2')
        await ipam.release(pool, 'web', '10.9.0.2')
        expect(await ipam.lease(pool, 'db', {})).toBe('10.9.0.2/30')
      })
    })

    const describeUsage = (): void => {
      describe('usage', () => {
        test('counts what is in use or reserved, and what can be given out', async () => {
          const ipam = create()
          const pool = await ipam.requestPool(
            'net',
            poolRequest({ subnet: '10.9.0.0/24', range: '10.9.0.128/28', gateway: '10.9.0.1' }),
          )
          expect(ipam.usage(pool)).toEqual({ inUse: 3, available: 16 })
          await ipam.lease(pool, 'fixed', { address: '10.9.0.9' })
          const address = addressOf(await ipam.lease(pool, 'web', {}))
          expect(ipam.usage(pool)).toEqual({ inUse: 5, available: 15 })
          await ipam.keep(pool, 'web', address)
          expect(ipam.usage(pool)).toEqual({ inUse: 4, available: 16 })
          await ipam.release(pool, 'fixed', '10.9.0.9')
          expect(ipam.usage(pool)).toEqual({ inUse: 3, available: 16 })
        })
      })
    }
    if (!remote) describeUsage()

    describe('after a restart', () => {
      test('the manager is as it was before, whatever was done with it', async () => {
        const owner = fc.constantFrom(...Array.from({ length: 20 }, (_, number) => `ep${number}`))
        const call = fc.tuple(fc.constantFrom('lease', 'static', 'keep', 'release'), owner, fc.nat(15))
        await fc.assert(
          fc.asyncProperty(fc.array(call, { maxLength: 60 }), async (calls) => {
            const ipam = create()
            const pool = await ipam.requestPool('net', poolRequest({ subnet: '10.9.0.0/28' }))
            const held = new Map<string, { owner: string; used: boolean }>()
            for (const [what, owner, last] of calls) {
              const address = `10.9.0.${last}`
              if (what === 'keep' || what === 'release') {
                await ipam[what](pool, owner, address)
                if (held.get(address)?.owner !== owner) continue
                held.delete(address)
                if (what === 'keep') held.set(address, { owner, used: false })
                continue
              }
              const lease = await ipam
                .lease(pool, owner, what === 'static' ? { address } : {})
                .catch(() => null)
              if (lease === null) continue
              held.delete(addressOf(lease))
              held.set(addressOf(lease), { owner, used: true })
            }
            const next = create()
            const leases = [...held].map(([address, lease]) => ({ address, ...lease }))
            await next.adopt('net', pool, leases)
            expect(next.usage(pool)).toEqual(ipam.usage(pool))
            const drain = async (manager: PoolIpam): Promise<string[]> => {
              const given: string[] = []
              for (;;) {
                const lease = await manager.lease(pool, 'drain', {}).catch(() => null)
                if (lease === null) return given
                given.push(addressOf(lease))
              }
            }
            const free = await drain(ipam)
            expect((await drain(next)).toSorted()).toEqual(free.toSorted())
          }),
          { numRuns: 60 },
        )
      })

      ofOwn('of two owners of an address that is not in use the later one has it', async () => {
        const pool = { subnet: '10.9.0.0/29', range: '', gateway: '10.9.0.1', auxiliary: {} }
        const ipam = create()
        const lease = { address: '10.9.0.4/29', used: false }
        await ipam.adopt('net', pool, [
          { owner: 'early', ...lease },
          { owner: 'late', ...lease },
        ])
        expect(await ipam.lease(pool, 'early', { preferred: '10.9.0.4' })).not.toBe('10.9.0.4/29')
        expect(await ipam.lease(pool, 'late', { preferred: '10.9.0.4' })).toBe('10.9.0.4/29')
      })

      test('an address in use stays with its owner when an older record names it too', async () => {
        const pool = { subnet: '10.9.0.0/29', range: '', gateway: '10.9.0.1', auxiliary: {} }
        const ipam = create()
        await ipam.adopt('net', pool, [
          { owner: 'runs', address: '10.9.0.4', used: true },
          { owner: 'stopped', address: '10.9.0.4', used: false },
        ])
        await expect(ipam.lease(pool, 'x', { address: '10.9.0.4' })).rejects.toThrow(/in use.*runs/)
      })

      ofOwn('adopted leases are held by their owners', async () => {
        const pool = {
          subnet: '10.9.0.0/29',
          range: '',
          gateway: '10.9.0.1',
          auxiliary: { printer: '10.9.0.2' },
        }
        const ipam = create()
        await ipam.adopt('net', pool, [{ owner: 'web', address: '10.9.0.4/29', used: true }])
        expect(await ipam.lease(pool, 'a', {})).toBe('10.9.0.3/29')
        expect(await ipam.lease(pool, 'b', {})).toBe('10.9.0.5/29')
        await expect(ipam.lease(pool, 'c', { address: '10.9.0.4' })).rejects.toThrow(/in use.*web/)
        await expect(ipam.requestPool('other', poolRequest({ subnet: pool.subnet }))).rejects.toThrow(
          /overlaps/,
        )
      })

      test('adopting twice changes nothing', async () => {
        const pool = { subnet: '10.9.0.0/29', range: '', gateway: '10.9.0.1', auxiliary: {} }
        const leases = [{ owner: 'web', address: '10.9.0.4/29', used: true }]
        const ipam = create()
        await ipam.adopt('net', pool, leases)
        await ipam.adopt('net', pool, leases)
        expect(await ipam.lease(pool, 'web', { address: '10.9.0.4' })).toBe('10.9.0.4/29')
      })

      test('two owners of one address in the records are found', async () => {
        const pool = { subnet: '10.9.0.0/29', range: '', gateway: '10.9.0.1', auxiliary: {} }
        const leases = ['web', 'db'].map((owner) => ({ owner, address: '10.9.0.4/29', used: true }))
        await expect(create().adopt('net', pool, leases)).rejects.toThrow(/already in use.*web/)
      })
    })
  })
}
