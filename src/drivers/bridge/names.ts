/** Which network has which bridge: one that a user has made may be named by several. */
import { TsnetError } from '../../errors.ts'
import type { NetworkRecord } from '../../store/records.ts'

export class BridgeNames {
  readonly #owners = new Map<string, Pick<NetworkRecord, 'id' | 'name'>>()

  /** Throws kind 'forbidden' with Docker's sentence while another network has the bridge. */
  take(bridge: string, { id, name }: NetworkRecord): void {
    const owner = this.#owners.get(bridge)
    if (owner !== undefined && owner.id !== id) {
      throw new TsnetError(
        'forbidden',
        'bridge-in-use',
        `cannot create network ${name} (${bridge}): conflicts with network ${owner.name} (${bridge}): networks have same bridge name`,
      )
    }
    this.#owners.set(bridge, { id, name })
  }

  release({ id }: NetworkRecord): void {
    for (const [bridge, owner] of this.#owners) if (owner.id === id) this.#owners.delete(bridge)
  }

  /** Forgets networks that are not among these. */
  keep(networks: readonly NetworkRecord[]): void {
    const ids = new Set(networks.map(({ id }) => id))
    for (const [bridge, { id }] of this.#owners) if (!ids.has(id)) this.#owners.delete(bridge)
  }
}
