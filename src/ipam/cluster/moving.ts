/** Addresses of a subnet that go from host to host with their endpoints. etcd says whose they are; here is what either host makes of it. */
import type { Cluster } from '../../cluster/cluster.ts'
import { addressKey, blockKey } from '../../cluster/keys.ts'
import { TsnetError } from '../../errors.ts'
import { blockAround } from './blocks.ts'
import { formatClaim, parseClaim } from './claims.ts'
import type { Holdings } from './holdings.ts'

export interface MovingOptions {
  readonly cluster: Cluster
  readonly holdings: Holdings
  /** A network's or endpoint's id in words. */
  readonly describeOwner: (id: string) => string
  /** Keeps what is held beyond the daemon's end. */
  readonly save: () => void
  /** Has an address of another host's block as this one's, and claims it. */
  readonly claim: (address: string, owner: string) => void
}

/** Addresses are without prefix length, owners are endpoints. */
export class MovingAddresses {
  readonly #options: MovingOptions
  readonly #holdings: Holdings

  constructor(options: MovingOptions) {
    this.#options = options
    this.#holdings = options.holdings
  }

  /** Has an endpoint's address used, so that nobody gets it before it moves; false when it is not its any more. */
  secure(owner: string, address: string): boolean {
    return this.#holdings.takePreferred(address, owner) !== null
  }

  /** It stays the endpoint's, who does not use it. */
  unsecure(owner: string, address: string): void {
    this.#holdings.keep(address, owner)
  }

  /** From now on another host may have it. */
  forgo(address: string): void {
    if (!this.#holdings.has(address)) this.#options.cluster.forgo(addressKey(this.#holdings.network, address))
  }

  /** None has it. */
  regain(owner: string, address: string): void {
    if (!this.#holdings.has(address)) this.#options.claim(address, owner)
  }

  /** What etcd has to say when the address is this host's to hand over. Throws kind 'conflict' when it does not. */
  async proofOf(owner: string, address: string): Promise<[key: string, value: string | undefined][]> {
    const { cluster } = this.#options
    const { network, range } = this.#holdings
    const key = addressKey(network, address)
    if (this.#holdings.has(address))
      return [
        [blockKey(network, blockAround(range, address)), cluster.self.name],
        [key, undefined],
      ]
    const standing = (await cluster.list(key)).get('')
    const claim = parseClaim(standing ?? '')
    if (claim?.node === cluster.self.name && claim.endpoint === owner) return [[key, standing]]
    throw new TsnetError(
      'conflict',
      'address-in-use',
      `Address already in use: ${address} is held by ${claim === undefined ? 'nobody any more' : `${claim.who} on ${claim.node}`}`,
    )
  }

  /** An endpoint has moved to another host, and its address with it. Safe to repeat. */
  handOver(owner: string, address: string, who: string): void {
    const { cluster, save } = this.#options
    if (this.#holdings.has(address)) {
      if (this.#holdings.leave(address, who, owner)) save()
    } else if (this.#holdings.release(address, owner))
      cluster.release(addressKey(this.#holdings.network, address))
  }

  /** What stands in etcd for an address that this host has taken over with an endpoint. */
  claimOf(owner: string, address: string, who: string): [key: string, value: string] {
    const claim = { node: this.#options.cluster.self.name, endpoint: owner, question: '', who }
    return [addressKey(this.#holdings.network, address), formatClaim(claim)]
  }

  /** An endpoint has come to this host, with an address that stands under its claim. Safe to repeat. */
  takeOver(owner: string, address: string, used: boolean): void {
    const { cluster, save } = this.#options
    const { network } = this.#holdings
    if (this.#holdings.has(address)) {
      this.#holdings.takeBack(address)
      this.#holdings.take(address, owner)
      // Of a block of this host's its own lease tells.
      cluster.holdLater(...this.claimOf(owner, address, this.#options.describeOwner(owner)))
      cluster.release(addressKey(network, address))
      save()
    } else this.#options.claim(address, owner)
    if (!used) this.#holdings.keep(address, owner)
  }
}
