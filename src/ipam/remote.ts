/**
 * Addresses of a Docker plugin (libnetwork's remote IPAM API). The plugin gives them out; who has which is kept here too, so that
 * nothing is asked twice, and a container that is stopped has its address again without a question.
 */

import { TsnetError } from '../errors.ts'
import { isRefusal, isUndone, type Plugin, type PluginAnswer } from '../plugins/plugin.ts'
import type { PoolRecord } from '../store/records.ts'
import { isCidr, parseCidr } from '../values/cidr.ts'
import type { LeaseWish, PoolIpam, PoolRequest, PoolUsage, RecordedLease } from './ipam.ts'

/** Milliseconds that a plugin has for one call. */
const deadline = 10_000

const gatewayKey = 'com.docker.network.gateway'
const macKey = 'com.docker.network.endpoint.macaddress'

interface Held {
  readonly owner: string
  readonly used: boolean
}

/** By address without prefix length; the longest unused of those that are not in use first. */
type Leases = Map<string, Held>

export class RemoteIpam implements PoolIpam {
  readonly from = 'pools'
  readonly #plugin: Plugin
  #space: string | null = null
  /** What it wants besides; null before it was asked. */
  #wants: { readonly mac: boolean; readonly replay: boolean } | null = null
  #preparing: Promise<void> | null = null
  /** Pools from before the daemon's start, of which it has not been told since. */
  readonly #untold = new Map<string, PoolRecord>()
  /** By the pool's id. */
  readonly #pools = new Map<string, Leases>()

  constructor(plugin: Plugin) {
    this.#plugin = plugin
  }

  get name(): string {
    return this.#plugin.name
  }

  async needsMac(): Promise<boolean> {
    await this.#prepared()
    return this.#wants?.mac ?? false
  }

  async requestPool(_owner: string, request: PoolRequest): Promise<PoolRecord> {
    const answer = await this.#call('RequestPool', {
      AddressSpace: await this.#addressSpace(),
      Pool: request.subnet,
      SubPool: request.range,
      Options: request.options,
      V6: request.family === 6,
    })
    const id = String(answer['PoolID'] ?? '')
    await using undo = new AsyncDisposableStack()
    undo.defer(() => this.#give('ReleasePool', { PoolID: id }))
    const block = parseCidr(this.#cidr('RequestPool', 'Pool', answer['Pool']))
    const subnet = `${block.network}/${block.prefix}`
    const reserve = (step: string, address: string, options: object): Promise<string> =>
      naming(step, () => this.#reserve(undo, id, address, options))
    const data = (answer['Data'] ?? {}) as PluginAnswer
    const gateway = await this.#gateway(request, data, reserve)
    const auxiliary: Record<string, string> = {}
    for (const [name, address] of Object.entries(request.auxiliary))
      auxiliary[name] = await reserve(`secondary ip address (${name}:${address})`, address, {})
    undo.move()
    return { subnet, range: request.range, gateway, auxiliary, poolId: id }
  }

  /** The plugin may say what the gateway is without being asked for an address. */
  async #gateway(
    { gateway }: PoolRequest,
    data: PluginAnswer,
    reserve: (step: string, address: string, options: object) => Promise<string>,
  ): Promise<string> {
    if (gateway === null) return ''
    const told = data[gatewayKey]
    if (gateway === '' && typeof told === 'string' && told !== '') return bare(told)
    return reserve(`gateway (${gateway})`, gateway, { RequestAddressType: gatewayKey })
  }

  async #reserve(undo: AsyncDisposableStack, id: string, wanted: string, options: object): Promise<string> {
    const address = bare(await this.#address(id, wanted, options))
    undo.defer(() => this.#give('ReleaseAddress', { PoolID: id, Address: address }))
    return address
  }

  /** As in Docker, a plugin that is gone or refuses keeps no network from being removed. */
  async releasePool(pool: PoolRecord): Promise<void> {
    const id = idOf(pool)
    const held = [pool.gateway, ...Object.values(pool.auxiliary), ...(this.#pools.get(id)?.keys() ?? [])]
    for (const address of held.filter((one) => one !== ''))
      await this.#give('ReleaseAddress', { PoolID: id, Address: address })
    await this.#give('ReleasePool', { PoolID: id })
    this.#pools.delete(id)
  }

  async lease(pool: PoolRecord, owner: string, wish: LeaseWish): Promise<string> {
    refuseReserved(pool, bare(wish.address ?? ''))
    const leases = this.#leasesOf(pool)
    const wanted = bare(wish.address ?? wish.preferred ?? '')
    const holder = leases.get(wanted)
    if (holder?.owner === owner) return this.#hold(pool, wanted, { owner, used: true })
    if (wish.address !== undefined && holder !== undefined) {
      if (holder.used) throw taken(wanted, holder.owner)
      await this.#drop(pool, wanted)
    }
    const given =
      wish.address !== undefined
        ? await this.#address(idOf(pool), wanted, forMac(wish))
        : await this.#any(pool, holder === undefined ? wanted : '', forMac(wish))
    return this.#hold(pool, bare(given), { owner, used: true })
  }

  /** The preferred one, another one, or, when there is no other, that of whoever has not used his for the longest time. */
  async #any(pool: PoolRecord, preferred: string, options: object): Promise<string> {
    const id = idOf(pool)
    for (const address of preferred === '' ? [''] : [preferred, '']) {
      try {
        return await this.#address(id, address, options)
      } catch (error) {
        if (!isRefusal(error) || (address === '' && !(await this.#dropOldest(pool)))) throw error
      }
    }
    return this.#address(id, '', options)
  }

  async #dropOldest(pool: PoolRecord): Promise<boolean> {
    const [oldest] = [...this.#leasesOf(pool)].find(([, { used }]) => !used) ?? []
    if (oldest !== undefined) await this.#drop(pool, oldest)
    return oldest !== undefined
  }

  async keep(pool: PoolRecord, owner: string, address: string): Promise<void> {
    const leases = this.#leasesOf(pool)
    const held = leases.get(bare(address))
    if (held?.owner !== owner || !held.used) return
    leases.delete(bare(address))
    leases.set(bare(address), { owner, used: false })
  }

  async release(pool: PoolRecord, owner: string, address: string): Promise<void> {
    if (this.#leasesOf(pool).get(bare(address))?.owner === owner) await this.#drop(pool, bare(address))
  }

  async #drop(pool: PoolRecord, address: string): Promise<void> {
    await this.#give('ReleaseAddress', { PoolID: idOf(pool), Address: address })
    this.#leasesOf(pool).delete(address)
  }

  /** The plugin is not asked: it may not be there yet. One that wants to hear of its leases again is told before the next question. */
  async adopt(_owner: string, pool: PoolRecord, leases: readonly RecordedLease[]): Promise<void> {
    const held = this.#leasesOf(pool)
    if (this.#preparing === null) this.#untold.set(idOf(pool), pool)
    for (const { owner, address, used } of leases) {
      const present = held.get(bare(address))
      if (present?.used !== true) held.set(bare(address), { owner, used })
      else if (used && present.owner !== owner) throw taken(bare(address), present.owner)
    }
  }

  /** What was given out here; others may ask the plugin too. */
  usage(pool: PoolRecord): PoolUsage {
    const { prefix, family } = parseCidr(pool.range || pool.subnet)
    const reserved = [pool.gateway, ...Object.values(pool.auxiliary)].filter((one) => one !== '').length
    const used = [...this.#leasesOf(pool).values()].filter((lease) => lease.used).length
    const inUse = reserved + used
    return { inUse, available: Math.max(0, 2 ** ((family === 4 ? 32 : 128) - prefix) - inUse) }
  }

  #leasesOf(pool: PoolRecord): Leases {
    const leases: Leases = this.#pools.get(idOf(pool)) ?? new Map()
    this.#pools.set(idOf(pool), leases)
    return leases
  }

  #hold(pool: PoolRecord, address: string, held: Held): string {
    this.#leasesOf(pool).set(address, held)
    return `${address}/${parseCidr(pool.subnet).prefix}`
  }

  async #addressSpace(): Promise<string> {
    const answer = this.#space === null ? await this.#ask('GetDefaultAddressSpaces', {}) : {}
    this.#space ??= String(answer['LocalDefaultAddressSpace'] ?? '')
    return this.#space
  }

  /** With prefix length. */
  async #address(id: string, address: string, options: object): Promise<string> {
    const answer = await this.#call('RequestAddress', { PoolID: id, Address: address, Options: options })
    return this.#cidr('RequestAddress', 'Address', answer['Address'])
  }

  #cidr(method: string, field: string, value: unknown): string {
    if (typeof value === 'string' && isCidr(value)) return value
    throw this.#wrong(method, `${field} ${JSON.stringify(value ?? '')} is no address with a prefix length`)
  }

  #wrong(method: string, what: string): TsnetError {
    return new TsnetError(
      'internal',
      'plugin-answer',
      `driver ${this.name}: its answer to IpamDriver.${method} is wrong: ${what}`,
    )
  }

  /** What it has taken back already it refuses; one that is not there has nothing to be told. */
  async #give(method: string, body: object): Promise<void> {
    try {
      await this.#call(method, body)
    } catch (error) {
      if (!isUndone(error)) throw error
    }
  }

  async #call(method: string, body: object): Promise<PluginAnswer> {
    await this.#prepared()
    return this.#ask(method, body)
  }

  #prepared(): Promise<void> {
    this.#preparing ??= this.#prepare().catch((error: unknown) => {
      this.#preparing = null
      throw error
    })
    return this.#preparing
  }

  /** Plugins of the first version do not know the question. */
  async #prepare(): Promise<void> {
    const answer = await this.#ask('GetCapabilities', {}).catch((error: unknown) => {
      if (isRefusal(error)) return {}
      throw error
    })
    const { RequiresMACAddress: mac, RequiresRequestReplay: replay } = answer as PluginAnswer
    this.#wants = { mac: mac === true, replay: replay === true }
    for (const pool of this.#wants.replay ? this.#untold.values() : []) await this.#replay(pool)
    this.#untold.clear()
  }

  /** What it remembers itself it refuses to give out twice. */
  async #replay(pool: PoolRecord): Promise<void> {
    const id = idOf(pool)
    const isIpv6 = pool.subnet.includes(':')
    const again = async (method: string, body: object): Promise<void> => {
      await this.#ask(method, body).catch((error: unknown) => {
        if (!isRefusal(error)) throw error
      })
    }
    await again('RequestPool', {
      AddressSpace: await this.#addressSpace(),
      Pool: pool.subnet,
      SubPool: pool.range,
      Options: {},
      V6: isIpv6,
    })
    if (pool.gateway !== '')
      await again('RequestAddress', {
        PoolID: id,
        Address: pool.gateway,
        Options: { RequestAddressType: gatewayKey },
      })
    for (const address of [...Object.values(pool.auxiliary), ...this.#leasesOf(pool).keys()])
      await again('RequestAddress', { PoolID: id, Address: address, Options: {} })
  }

  #ask(method: string, body: object): Promise<PluginAnswer> {
    return this.#plugin.call(`IpamDriver.${method}`, body, { deadline })
  }
}

/** Says which step a refusal is of, as Docker does. */
async function naming<T>(step: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body()
  } catch (error) {
    if (!isRefusal(error)) throw error
    const refusal = error as TsnetError
    throw new TsnetError(refusal.kind, refusal.code, `failed to allocate ${step}: ${refusal.message}`, {
      cause: error,
    })
  }
}

/** The network's own are held in no lease. */
function refuseReserved(pool: PoolRecord, address: string): void {
  if (address === '') return
  if (address === pool.gateway) throw taken(address, "the network's gateway")
  const [name] = Object.entries(pool.auxiliary).find(([, one]) => one === address) ?? []
  if (name !== undefined) throw taken(address, `the network's auxiliary address ${name}`)
}

function forMac({ mac = '' }: LeaseWish): object {
  return mac === '' ? {} : { [macKey]: mac }
}

/** By which the plugin knows it. */
function idOf({ poolId, subnet }: PoolRecord): string {
  return poolId ?? subnet
}

function bare(address: string): string {
  return address.split('/', 1)[0] ?? ''
}

function taken(address: string, owner: string): TsnetError {
  return new TsnetError(
    'conflict',
    'address-in-use',
    `Address already in use: ${address} is held by ${owner}`,
  )
}
