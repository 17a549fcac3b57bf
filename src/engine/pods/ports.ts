/** Host ports that lead to pods: recorded, and led by rules. Their sockets are the runtime's, if it wants any. */

import { TsnetError } from '../../errors.ts'
import { publishRules } from '../../firewall/publish.ts'
import type { BridgeRule } from '../../firewall/rules.ts'
import { forgetUdpFlows } from '../../netlink/conntrack.ts'
import type { PortTargets } from '../../ports/reservation.ts'
import type { PodRecord } from '../../store/pod-records.ts'
import type { NetworkRecord, PortBinding, PublishedPort } from '../../store/records.ts'
import type { PodParts } from './parts.ts'

export class PodPorts {
  readonly #parts: PodParts

  constructor(parts: PodParts) {
    this.#parts = parts
  }

  /** Returns the pod with the ports that it has now. Throws kind 'invalid' where the network leads past the host. */
  async publish(
    network: NetworkRecord,
    pod: PodRecord,
    bindings: readonly PortBinding[],
  ): Promise<PodRecord> {
    if (bindings.length === 0) return pod
    const { ports, rules, firewall, store } = this.#parts
    const bridge = this.#bridge(network)
    if (bridge === undefined) {
      const text = `network ${pod.networkName}: ports are published on bridge networks only: leave out its capability portMappings`
      throw new TsnetError('invalid', 'cni-ports', text)
    }
    const published = await ports.reserve(pod.id, nameOf(pod), bindings, targetsOf(pod, bridge))
    const standing = { ...pod, published }
    store.pods.put(pod.id, standing)
    const added = publishRules(published, targetOf(pod, bridge))
    rules.set(pod.id, added)
    await firewall.apply({ add: added, remove: [] })
    this.#forgetFlows(published)
    return standing
  }

  /** Safe to repeat. */
  async withdraw({ id, published }: PodRecord): Promise<void> {
    const { ports, rules, firewall } = this.#parts
    ports.release(id)
    const removed = rules.get(id) ?? []
    rules.delete(id)
    if (removed.length > 0) await firewall.apply({ add: [], remove: removed })
    this.#forgetFlows(published)
  }

  /** After a start. The rules are for the caller to apply. */
  adopt(network: NetworkRecord, pod: PodRecord): void {
    const bridge = this.#bridge(network)
    if (pod.published.length === 0 || bridge === undefined) return
    const { ports, rules } = this.#parts
    ports.adopt(pod.id, nameOf(pod), pod.published, targetsOf(pod, bridge))
    rules.set(pod.id, publishRules(pod.published, targetOf(pod, bridge)))
  }

  /** As `adopt`, but applies the rules. */
  async resume(network: NetworkRecord, pod: PodRecord): Promise<void> {
    this.adopt(network, pod)
    await this.#parts.firewall.apply({ add: this.#parts.rules.get(pod.id) ?? [], remove: [] })
  }

  #bridge({ id }: NetworkRecord): BridgeRule | undefined {
    return this.#parts.rules.get(id)?.find((rule) => rule.kind === 'bridge')
  }

  #forgetFlows(published: readonly PublishedPort[]): void {
    const udp = published.filter(({ protocol }) => protocol === 'udp')
    if (udp.length === 0) return
    try {
      forgetUdpFlows(
        udp.map(({ hostAddress: address, hostPort: first, count }) => ({ address, first, count })),
      )
    } catch (error) {
      this.#parts.log.warn({ err: error }, 'old UDP flows may still lead to where published ports led before')
    }
  }
}

/** Podman itself binds what it publishes, once this is done. */
function targetsOf({ endpoint }: PodRecord, { mode }: BridgeRule): PortTargets {
  const isRouted = mode === 'routed'
  const [v4 = '', v6 = ''] = [endpoint.address4, endpoint.address6].map((address) => address.split('/', 1)[0])
  return { v4, v6, routed4: isRouted, routed6: isRouted, unrelayed: true, unbound: true }
}

function targetOf({ id, endpoint }: PodRecord, bridge: BridgeRule) {
  const { address4, address6 } = endpoint
  return { owner: id, interface: bridge.interface, address4, address6 }
}

/** In errors about ports. */
function nameOf({ containerId }: PodRecord): string {
  return containerId.slice(0, 12)
}
