/** The daemon's own networks for pods of other runtimes. */
import type { NetworkSpec, PoolRecord } from '../../store/records.ts'
import type { ContainerId } from '../../values/id.ts'
import { reserveFixed } from '../addresses.ts'
import { attachEndpoint, detachEndpoint } from '../endpoints.ts'
import { createNetwork } from '../networks.ts'
import type { Parts } from '../parts.ts'
import { findNetwork } from '../references.ts'
import type { EngineNetworks } from './parts.ts'

export function engineNetworks(parts: Parts): EngineNetworks {
  return {
    find: (name) => findNetwork(parts.store.networks, name),
    async ensure(name, driver) {
      const present = [...parts.store.networks.values()].find((network) => network.name === name)
      return present ?? createNetwork(parts, { ...plainNetwork, name, driver })
    },
    async attach(undo, sandbox, endpoint, plan) {
      await reserveFixed(parts, undo, [endpoint])
      return attachEndpoint(parts, undo, sandbox, endpoint, plan)
    },
    detach: ({ endpoint, containerId }) => detachEndpoint(parts, containerId as ContainerId, endpoint, false),
  }
}

const plainNetwork: Omit<NetworkSpec, 'name' | 'driver'> = {
  internal: false,
  attachable: true,
  ipv4: true,
  ipv6: false,
  ipamDriver: 'default',
  ipamOptions: {},
  pools: [] as PoolRecord[],
  options: {},
  labels: {},
  dnsServers: [],
  configOnly: false,
  configFrom: '',
}
