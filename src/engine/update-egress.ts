/** What a container may reach, changed at once when it runs. Established connections go on. */
import { ruleKey } from '../firewall/rules.ts'
import type { ContainerRecord, EgressEntry } from '../store/records.ts'
import { egressRules, refuseEgress } from './egress-policy.ts'
import { ownsSandbox, usesNames } from './endpoints.ts'
import type { Parts } from './parts.ts'
import { resolverOptions } from './resolver-options.ts'

/** Null for everything. Throws kind 'invalid' where a policy would not hold. Call under the container's lock. */
export async function updateEgress(
  parts: Parts,
  container: ContainerRecord,
  egress: readonly EgressEntry[] | null,
): Promise<void> {
  const changed = { ...container, spec: { ...container.spec, egress } }
  refuseEgress(parts, changed)
  if (container.state.status === 'running') await updateRunning(parts, container, changed)
  parts.store.containers.put(container.id, changed)
  parts.events.emit('container', 'update', container.id, {
    name: container.name,
    image: container.spec.image,
  })
}

async function updateRunning(
  parts: Parts,
  container: ContainerRecord,
  changed: ContainerRecord,
): Promise<void> {
  const add = egressRules(parts, changed)
  const kept = new Set(add.map(ruleKey))
  const remove = egressRules(parts, container).filter((rule) => !kept.has(ruleKey(rule)))
  await parts.firewall.apply({ add, remove })
  if (container.spec.egress === null) parts.egress.open(changed)
  else if (changed.spec.egress === null) await parts.egress.close(changed.id)
  else await parts.egress.follow(changed)
  if (ownsSandbox(parts, changed) && usesNames(parts, changed)) {
    parts.names.update(changed.id, resolverOptions(parts, changed))
  }
}
