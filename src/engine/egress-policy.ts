/** What a container may reach outside its networks: the rules that follow from its record, its names, and refusals. */
import { TsnetError } from '../errors.ts'
import { type EgressSender, egressRules as rulesOf } from '../firewall/egress.ts'
import type { Rule } from '../firewall/rules.ts'
import type { ContainerRecord, EgressEntry } from '../store/records.ts'
import { networkOf } from './endpoints.ts'
import { linkIpamOf } from './link-leases.ts'
import type { Parts } from './parts.ts'
import { bridgeRule } from './published.ts'

/** Whether it may not reach everything. */
export function isRestricted({ spec }: Pick<ContainerRecord, 'spec'>): boolean {
  return spec.egress !== null
}

/** The rules of a container's policy without those that names' answers add; they follow from its record alone. */
export function egressRules(parts: Parts, container: ContainerRecord): readonly Rule[] {
  const { egress } = container.spec
  return egress === null ? [] : sendersOf(parts, container).flatMap((sender) => rulesOf(egress, sender))
}

/** The container's interfaces on bridges, once for each family that the network has. */
export function sendersOf(parts: Parts, container: ContainerRecord): EgressSender[] {
  return container.endpoints.flatMap((endpoint) =>
    ([4, 6] as const).flatMap((family) => {
      const bridge = bridgeRule(parts, endpoint, family)
      if (bridge === undefined || endpoint.mac === '') return []
      return [{ owner: endpoint.id, family, interface: bridge.interface, mac: endpoint.mac }]
    }),
  )
}

/** Whether an entry stands for that name, which is in lower case. */
export function allowsName({ to }: EgressEntry, name: string): boolean {
  return to.startsWith('*.') ? name.endsWith(to.slice(1)) : name === to
}

/** Throws kind 'invalid' where a policy would not hold: what a container sends does not come by the host's rules there. */
export function refuseEgress(parts: Parts, container: ContainerRecord): void {
  const { egress, networkMode } = container.spec
  if (egress === null) return
  if (networkMode === 'host' || networkMode.startsWith('container:')) {
    throw refusal(
      `an egress policy needs a network namespace of the container's own: network mode ${networkMode} has none`,
    )
  }
  for (const endpoint of container.endpoints) {
    const network = networkOf(parts, endpoint)
    const driver = parts.networkDriver(network.driver)
    const isBridged = driver.capabilities.ports === 'engine' && linkIpamOf(parts, network) === undefined
    if (isBridged || network.driver === 'null') continue
    throw refusal(
      `network ${network.name} (driver ${network.driver}) leads outside without the host: an egress policy holds on bridge networks with addresses of the host's only`,
    )
  }
}

function refusal(message: string): TsnetError {
  return new TsnetError('invalid', 'no-egress-policy', message)
}
