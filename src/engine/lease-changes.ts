/** What follows when a server changes the address, gateway or name servers of a container's interface. */
import type { LinkLease } from '../ipam/ipam.ts'
import { moveAddress } from '../sandbox/interface.ts'
import { adoptSandbox } from '../sandbox/sandbox.ts'
import type { ContainerRecord } from '../store/records.ts'
import { tellContainer } from './connections.ts'
import { chooseDefaultRoutes, nameEndpoint, networkOf } from './endpoints.ts'
import type { Parts } from './parts.ts'
import { followPorts } from './published.ts'

/** Does in containers, names and rules what servers change of the leases. */
export function followLeases(parts: Parts): void {
  for (const ipam of parts.ipams()) {
    if (ipam.from === 'link') ipam.subscribe((owner, lease) => void follow(parts, owner, lease))
  }
}

async function follow(parts: Parts, owner: string, lease: LinkLease): Promise<void> {
  const find = (): ContainerRecord | undefined =>
    parts.store.containers.values().find(({ endpoints }) => endpoints.some(({ id }) => id === owner))
  const id = find()?.id ?? ''
  try {
    await parts.locks.run(id, async () => {
      const container = find()
      if (container?.state.status === 'running') await readdress(parts, container, owner, lease)
    })
  } catch (error) {
    parts.log.error(
      { err: error, container: id, address: lease.address4 },
      'a changed lease could not be followed',
    )
  }
}

async function readdress(
  parts: Parts,
  container: ContainerRecord,
  owner: string,
  { address4, gateway4 }: LinkLease,
): Promise<void> {
  const endpoint = container.endpoints.find(({ id }) => id === owner)!
  const moved = { ...endpoint, address4, gateway4 }
  const endpoints = container.endpoints.map((other) => (other.id === owner ? moved : other))
  const changed = { ...container, endpoints }
  if (endpoint.address4 !== address4 || endpoint.gateway4 !== gateway4) {
    using sandbox = adoptSandbox({ execRoot: parts.execRoot, id: container.id })
    const leadsOut = chooseDefaultRoutes(parts, endpoints).v4 === owner
    moveAddress(sandbox, endpoint.interfaceName, endpoint.address4, address4, leadsOut ? gateway4 : '')
    const network = networkOf(parts, endpoint)
    parts.log.info(
      { container: container.name, network: network.name, before: endpoint.address4, address: address4 },
      'the lease has changed',
    )
  }
  const published = await followPorts(parts, container, changed)
  nameEndpoint(parts, moved)
  parts.store.containers.put(container.id, { ...changed, published })
  await tellContainer(parts, container, changed)
}
