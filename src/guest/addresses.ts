/** Addresses for networks of another engine (libnetwork's remote IPAM API, from the plugin's side). */
import { TsnetError } from '../errors.ts'
import type { PoolLeases } from '../ipam/ipam.ts'
import type { GuestLease, GuestPool } from '../store/guest-records.ts'
import { type Branded, newId } from '../values/id.ts'
import { type Fields, idOf, labelsOf, textOf } from './fields.ts'
import { bare } from './network-record.ts'
import type { GuestParts, Verbs } from './parts.ts'

/** Names that dockerd tells pools of single hosts and of clusters apart by. */
const addressSpaces = { local: 'tsnet', global: 'tsnet-global' }

/** What dockerd says when it wants the address of the gateway. */
const gatewayType = 'com.docker.network.gateway'

/** By which a network of the cluster is named. */
const networkOption = 'network'

export class GuestAddresses {
  readonly #parts: GuestParts

  constructor(parts: GuestParts) {
    this.#parts = parts
  }

  verbs(): Verbs {
    return {
      // Addresses are known here over any restart, and given out whoever asks.
      GetCapabilities: async () => ({ RequiresMACAddress: false, RequiresRequestReplay: false }),
      GetDefaultAddressSpaces: async () => ({
        LocalDefaultAddressSpace: addressSpaces.local,
        GlobalDefaultAddressSpace: addressSpaces.global,
      }),
      RequestPool: (body) => this.#requestPool(body),
      ReleasePool: (body) => this.#releasePool(idOf(body, 'PoolID')),
      RequestAddress: (body) => this.#requestAddress(body),
      ReleaseAddress: (body) => this.#releaseAddress(idOf(body, 'PoolID'), bare(textOf(body, 'Address'))),
    }
  }

  /** After a start of the daemon, before anybody asks. */
  async restore(): Promise<void> {
    const { store, ipam, log } = this.#parts
    for (const { id, pool, shared } of store.guestPools.values()) {
      // The cluster's are taken up with its networks.
      if (shared !== null) continue
      try {
        await ipam.adopt(
          id,
          pool,
          this.#leasesOf(id).map(({ owner, address }) => ({ owner, address, used: true })),
        )
      } catch (error) {
        log.error({ err: error, pool: pool.subnet }, "another engine's addresses could not be taken up")
      }
    }
  }

  async #requestPool(body: Fields): Promise<object> {
    const name = labelsOf(body, 'Options')[networkOption]
    if (name !== undefined) return this.#requestShared(name, body)
    const id = newId<Branded<'pool'>>()
    const pool = await this.#parts.ipam.requestPool(id, {
      family: body['V6'] === true ? 6 : 4,
      subnet: textOf(body, 'Pool'),
      range: textOf(body, 'SubPool'),
      gateway: null,
      auxiliary: {},
      options: labelsOf(body, 'Options'),
    })
    this.#parts.store.guestPools.put(id, { id, pool, shared: null })
    return { PoolID: id, Pool: pool.subnet, Data: {} }
  }

  /** The cluster's networks have their gateways already. */
  async #requestShared(name: string, body: Fields): Promise<object> {
    const wanted = textOf(body, 'Pool')
    const isIpv6 = body['V6'] === true
    const network = await this.#parts.shared.ensure(name, wanted)
    const pool = network.pools.find(
      ({ subnet }) => subnet.includes(':') === isIpv6 && (wanted === '' || subnet === wanted),
    )
    if (pool === undefined) {
      const subnets = network.pools.map(({ subnet }) => subnet).join(', ')
      throw new TsnetError(
        'conflict',
        'not-shared',
        `network ${name} has ${subnets}, not ${wanted || 'IPv6'}: make it with tsnet network create -d overlay as it should be`,
      )
    }
    const id = newId<Branded<'pool'>>()
    this.#parts.store.guestPools.put(id, { id, pool, shared: network.id })
    return { PoolID: id, Pool: pool.subnet, Data: {} }
  }

  /** Safe to repeat. */
  async #releasePool(id: string): Promise<object> {
    const { store, ipam } = this.#parts
    const known = store.guestPools.get(id)
    if (known === undefined) return {}
    const leases = this.#leasesOf(id)
    if (known.shared === null) await ipam.releasePool(known.pool)
    else
      for (const lease of leases) await this.#managerOf(known).release(known.pool, lease.owner, lease.address)
    store.transaction(() => {
      for (const lease of leases) store.guestLeases.delete(keyOf(lease))
      store.guestPools.delete(id)
    })
    return {}
  }

  async #requestAddress(body: Fields): Promise<object> {
    const known = this.#pool(idOf(body, 'PoolID'))
    const { id, pool } = known
    const address = textOf(body, 'Address')
    if (known.shared !== null && labelsOf(body, 'Options')['RequestAddressType'] === gatewayType)
      return { Address: `${pool.gateway}/${pool.subnet.split('/')[1]}`, Data: {} }
    const owner = newId<Branded<'lease'>>()
    // The gateway's is asked for before all others: it is the first of the range, as it should be.
    const leased = await this.#managerOf(known).lease(pool, owner, address === '' ? {} : { address })
    const lease = { pool: id, address: leased, owner }
    this.#parts.store.guestLeases.put(keyOf(lease), lease)
    return { Address: leased, Data: {} }
  }

  /** Safe to repeat. */
  async #releaseAddress(id: string, address: string): Promise<object> {
    const { store } = this.#parts
    const key = keyOf({ pool: id, address })
    const [known, lease] = [store.guestPools.get(id), store.guestLeases.get(key)]
    if (known !== undefined && lease !== undefined)
      await this.#managerOf(known).release(known.pool, lease.owner, lease.address)
    store.guestLeases.delete(key)
    return {}
  }

  #managerOf({ shared }: GuestPool): Pick<PoolLeases, 'lease' | 'release'> {
    return shared === null ? this.#parts.ipam : this.#parts.shared.leases()
  }

  #leasesOf(id: string): GuestLease[] {
    return [...this.#parts.store.guestLeases.values()].filter(({ pool }) => pool === id)
  }

  #pool(id: string): GuestPool {
    const known = this.#parts.store.guestPools.get(id)
    if (known !== undefined) return known
    throw new TsnetError('not-found', 'unknown-pool', `there is no pool ${id}`)
  }
}

function keyOf({ pool, address }: Pick<GuestLease, 'pool' | 'address'>): string {
  return `${pool} ${bare(address)}`
}
