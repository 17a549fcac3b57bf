/** Which addresses of a network neighbours may know at another hardware address than the one they are given now. */
import type { NetworkId } from '../../values/id.ts'

/** Addresses of one network, of which more are not remembered: from then on any may be known. */
const mostRemembered = 8192

export class AddressHistory {
  /** Of networks whose bridge was made by this process, hardware addresses by the addresses that had them last. */
  readonly #macs = new Map<NetworkId, Map<string, string>>()

  /** The network's bridge has just been made: nobody knows anything there. */
  begin(network: NetworkId): void {
    this.#macs.set(network, new Map())
  }

  end(network: NetworkId): void {
    this.#macs.delete(network)
  }

  /** The addresses are at `mac` from now on, '' is skipped; whether somebody may know one of them at another. */
  move(network: NetworkId, addresses: readonly string[], mac: string): boolean {
    const known = this.#macs.get(network)
    if (known === undefined) return true
    const wanted = addresses.filter(Boolean)
    const isKnown = wanted.some((address) => (known.get(address) ?? mac) !== mac)
    for (const address of wanted) known.set(address, mac)
    if (known.size > mostRemembered) this.end(network)
    return isKnown
  }
}
