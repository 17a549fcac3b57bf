/**
 * The way between the hosts for encrypted networks: one WireGuard device for all of a host's, from the first of them to the last. Its
 * address is link-local, so that the kernel takes frames with the number of an encrypted network from this device alone.
 */
import type { Change, Cluster, NodeRecord } from '../../cluster/cluster.ts'
import { rotationKey } from '../../cluster/keys.ts'
import type { RouteSocket } from '../../netlink/socket.ts'
import { setWireguard, type WireguardPeerChange } from '../../netlink/wireguard.ts'
import type { NetworkRecord } from '../../store/records.ts'
import type { NetworkId } from '../../values/id.ts'
import { tunnelName } from '../../values/interface-name.ts'
import type { DriverContext } from '../driver.ts'
import { requireEncryption } from './encryption.ts'
import type { TunnelKeys } from './keys.ts'
import { Rotation } from './rotation.ts'
import { ensureTunnel, removeTunnel, type TunnelSpec, tunnelFaults } from './tunnel-device.ts'
import { allPeers, changesOf, peersOf, tunnelAddress } from './tunnel-peers.ts'
import { Turns } from './turns.ts'
import { tunnelMtu, tunnelOverhead } from './underlay.ts'

export interface TunnelParts {
  readonly cluster: Cluster
  /** Null when this host cannot encrypt. */
  readonly keys: TunnelKeys | null
  /** Whether the cluster has told of all hosts: until then what an earlier daemon knew stands in the device. */
  readonly knowsHosts: () => boolean
  /** The driver's mark. */
  readonly markOf: (context: DriverContext) => string
}

export class Tunnel {
  readonly #parts: TunnelParts
  /** The networks that use it, with the length of their longest packets in bytes. */
  readonly #users = new Map<NetworkId, number>()
  readonly #turns = new Turns()
  /** By the name of a host, the next key of its that is known to the device. */
  readonly #confirmed = new Map<string, string>()
  #context: DriverContext | null = null
  /** The device's index, 0 while there is none. */
  #index = 0

  constructor(parts: TunnelParts) {
    this.#parts = parts
    parts.cluster.nodes.subscribe((changes) => this.#follow(changes))
  }

  /** Makes the device or completes it, for a network whose packets have so many bytes. Returns its index. */
  async use(
    socket: RouteSocket,
    context: DriverContext,
    network: NetworkRecord,
    mtu: number,
  ): Promise<number> {
    requireEncryption(network)
    return await this.#turns.run('', async () => {
      this.#users.set(network.id, mtu)
      this.#context = context
      this.#index = ensureTunnel(socket, this.#spec(context))
      this.#confirm(this.#parts.cluster.nodes.values.values())
      return this.#index
    })
  }

  /** With the last network the device goes. Safe to repeat. */
  async release(socket: RouteSocket, context: DriverContext, network: NetworkId): Promise<void> {
    await this.#turns.run('', async () => {
      this.#users.delete(network)
      if (this.#users.size > 0) return
      this.#index = 0
      for (const node of this.#confirmed.keys()) this.#withdraw(node)
      await removeTunnel(socket, this.#place(context))
    })
  }

  /** The device's index, 0 while there is none. */
  get index(): number {
    return this.#index
  }

  /** What is wrong with the device, in words. */
  faults(socket: RouteSocket, context: DriverContext): string[] {
    return tunnelFaults(socket, this.#spec(context))
  }

  /** Null on a host that has none. */
  exchangeKeys(partners: () => ReadonlySet<string>): Rotation | null {
    const { cluster, keys } = this.#parts
    if (keys === null) return null
    const log = () => this.#context?.log ?? null
    return new Rotation({ cluster, keys, partners, log, switchKey: () => this.#switchKey(keys) })
  }

  /** The next key is the one in force, from this very moment on. */
  #switchKey(keys: TunnelKeys): void {
    try {
      if (this.#index !== 0 && keys.next !== null) {
        setWireguard(this.#index, { privateKey: keys.next.privateKey })
        this.#greet([...this.#parts.cluster.nodes.values.values()])
      }
    } finally {
      // A device that is gone gets it when it is made again.
      keys.advance()
    }
  }

  /**
   * Another host that has tried the new key before it was in force tries again after 5 s (REKEY_TIMEOUT in drivers/net/wireguard/messages.h),
   * unless it hears from this one: what carries nothing is sent at once when it is to be sent regularly, and that ends again.
   */
  #greet(nodes: readonly NodeRecord[]): void {
    const { self } = this.#parts.cluster
    const keys = nodes.flatMap((node) => peersOf(node, self)).filter(({ allowed }) => allowed.length > 0)
    for (const keepalive of [1, 0]) {
      const peers = keys.map(({ publicKey }) => ({ publicKey, keepalive, mustExist: true as const }))
      setWireguard(this.#index, { peers })
    }
  }

  #place(context: DriverContext): Pick<TunnelSpec, 'mark' | 'name'> {
    return { mark: this.#parts.markOf(context), name: tunnelName(context.mark) }
  }

  #spec(context: DriverContext): TunnelSpec {
    const { cluster, keys, knowsHosts } = this.#parts
    if (keys === null) throw new Error('a tunnel is asked for on a host that cannot encrypt')
    const least = Math.max(...[...this.#users.values()].map((mtu) => mtu + tunnelOverhead))
    return {
      ...this.#place(context),
      address: tunnelAddress(cluster.self.name),
      mtu: Math.max(tunnelMtu(cluster), least),
      key: keys.current,
      peers: allPeers(cluster.nodes.values.values(), cluster.self),
      isWhole: knowsHosts(),
    }
  }

  #follow(changes: readonly Change<NodeRecord>[]): void {
    if (this.#index === 0) return
    try {
      const peers = this.#changesOf(changes)
      if (peers.length > 0) setWireguard(this.#index, { peers })
      this.#confirm(changes.flatMap(({ value }) => value ?? []))
      for (const { key, value } of changes) if (value === undefined) this.#withdraw(key)
    } catch (error) {
      // The device may be gone, which is made good.
      this.#context?.log.warn({ err: error }, 'the keys of other hosts could not be followed')
    }
  }

  #changesOf(changes: readonly Change<NodeRecord>[]): WireguardPeerChange[] {
    const { self, nodes } = this.#parts.cluster
    const found = changes.flatMap(({ before, value }) => {
      const [former = [], present = []] = [before, value].map((node) => node && peersOf(node, self))
      return changesOf(former, present)
    })
    if (!found.some(({ isGone }) => isGone)) return found
    const kept = new Set(allPeers(nodes.values.values(), self).map(({ publicKey }) => publicKey))
    return found.filter(({ isGone, publicKey }) => !isGone || !kept.has(publicKey))
  }

  /** Tells hosts that their next keys are known here. */
  #confirm(nodes: Iterable<NodeRecord>): void {
    const { cluster } = this.#parts
    for (const { name, nextPublicKey } of nodes) {
      if (name === cluster.self.name || this.#confirmed.get(name) === nextPublicKey) continue
      if (nextPublicKey === '') {
        this.#withdraw(name)
        continue
      }
      this.#confirmed.set(name, nextPublicKey)
      cluster.holdLater(rotationKey(name, cluster.self.name), `${cluster.self.name} ${nextPublicKey}`)
    }
  }

  #withdraw(node: string): void {
    const { cluster } = this.#parts
    if (this.#confirmed.delete(node)) cluster.release(rotationKey(node, cluster.self.name))
  }
}
