/** A container's egress policy as rules. */
import type { EgressEntry } from '../store/records.ts'
import { outermostCidrs } from '../values/cidr.ts'
import type { AllowRule, EgressRule, Family } from './rules.ts'

/** An interface of the container, for one family. */
export type EgressSender = Omit<EgressRule, 'kind'>

/** What holds for the interface at all times: names in `entries` allow nothing before they have been answered. Pure. */
export function egressRules(
  entries: readonly EgressEntry[],
  sender: EgressSender,
): (EgressRule | AllowRule)[] {
  const blocks = entries.filter(({ to }) => to.includes('/'))
  const services = Map.groupBy(blocks, ({ protocol, port }) => `${protocol} ${port}`)
  return [{ ...sender, kind: 'egress' }, ...[...services.values()].flatMap((same) => allowSame(same, sender))]
}

/** Of entries for the same port. */
function allowSame(entries: readonly EgressEntry[], sender: EgressSender): AllowRule[] {
  const { protocol, port } = entries[0]!
  return outermostCidrs(entries.map(({ to }) => to))
    .filter((block) => familyOf(block) === sender.family)
    .map((destination) => ({ ...sender, kind: 'allow', destination, protocol, port }))
}

export function familyOf(address: string): Family {
  return address.includes(':') ? 6 : 4
}
