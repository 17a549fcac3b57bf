/** Addresses from the DHCP servers of the networks that containers are attached to. */
import type { Logger } from '../../log.ts'
import type { LeasedLink, LinkIpam, LinkLease } from '../ipam.ts'
import { DhcpClient } from './client.ts'

export function createDhcpIpam(options: { readonly log: Logger }): LinkIpam {
  return new DhcpIpam(options.log)
}

class DhcpIpam implements LinkIpam {
  readonly name = 'dhcp'
  readonly from = 'link'
  readonly #log: Logger
  readonly #clients = new Map<string, DhcpClient>()
  readonly #listeners = new Set<(owner: string, lease: LinkLease) => void>()

  constructor(log: Logger) {
    this.#log = log
  }

  async acquire(link: LeasedLink): Promise<LinkLease> {
    const client = this.#open(link)
    try {
      return await client.acquire()
    } catch (error) {
      this.release(link.owner)
      throw error
    }
  }

  resume(link: LeasedLink): void {
    this.#open(link).resume()
  }

  find(owner: string): LinkLease | undefined {
    return this.#clients.get(owner)?.lease
  }

  release(owner: string): void {
    this.#clients.get(owner)?.release()
    this.#clients.delete(owner)
  }

  subscribe(listener: (owner: string, lease: LinkLease) => void): void {
    this.#listeners.add(listener)
  }

  stop(): void {
    for (const client of this.#clients.values()) client.stop()
    this.#clients.clear()
  }

  #open(link: LeasedLink): DhcpClient {
    this.#clients.get(link.owner)?.stop()
    const client = new DhcpClient(link, this.#log, (lease) => {
      for (const listener of this.#listeners) listener(link.owner, lease)
    })
    this.#clients.set(link.owner, client)
    return client
  }
}
