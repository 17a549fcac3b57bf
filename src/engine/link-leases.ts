/**
 * Addresses that come over an endpoint's own interface, from a server on its network: asked for once the interface is there, and
 * again after a restart of the daemon.
 */
import type { LeasedLink, LinkIpam } from '../ipam/ipam.ts'
import { moveAddress } from '../sandbox/interface.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import type { ContainerRecord, EndpointRecord, NetworkRecord } from '../store/records.ts'
import type { Parts } from './parts.ts'
import { findNetwork } from './references.ts'

/** The manager of a network whose addresses come over its endpoints' interfaces, undefined for others. */
export function linkIpamOf(parts: Parts, network: NetworkRecord): LinkIpam | undefined {
  const ipam = parts.ipam(network.ipamDriver)
  return ipam.from === 'link' ? ipam : undefined
}

function linkOf(
  network: NetworkRecord,
  endpoint: EndpointRecord,
  container: ContainerRecord | undefined,
  sandbox: Sandbox,
): LeasedLink {
  return {
    owner: endpoint.id,
    network: network.name,
    netns: sandbox.netns,
    interfaceName: endpoint.interfaceName,
    hostname: container?.hostname ?? '',
    before: endpoint.address4,
  }
}

/**
 * Asks for the address of an endpoint that has just been attached without one, and gives it to the interface; `before` is the
 * address that it had when it last ran.
 */
export async function acquireAddress(
  parts: Parts,
  undo: AsyncDisposableStack,
  ipam: LinkIpam,
  sandbox: Sandbox,
  attached: EndpointRecord,
  options: { readonly before: string; readonly leadsOut: boolean },
): Promise<EndpointRecord> {
  const container = parts.store.containers.get(sandbox.id)
  const network = findNetwork(parts.store.networks, attached.network)
  const link = linkOf(network, { ...attached, address4: options.before }, container, sandbox)
  undo.defer(() => ipam.release(attached.id))
  const { address4, gateway4 } = await ipam.acquire(link)
  moveAddress(sandbox, attached.interfaceName, '', address4, options.leadsOut ? gateway4 : '')
  return { ...attached, address4, gateway4 }
}

/** Takes up the leases of a container that has run on while no daemon did. */
export function resumeLeases(parts: Parts, container: ContainerRecord, sandbox: Sandbox): void {
  for (const endpoint of container.endpoints) resumeLease(parts, container, endpoint, sandbox)
}

/** Takes up the lease of an endpoint, also on an interface that was made anew with its address. */
export function resumeLease(
  parts: Parts,
  container: ContainerRecord,
  endpoint: EndpointRecord,
  sandbox: Sandbox,
): void {
  const network = findNetwork(parts.store.networks, endpoint.network)
  linkIpamOf(parts, network)?.resume(linkOf(network, endpoint, container, sandbox))
}
