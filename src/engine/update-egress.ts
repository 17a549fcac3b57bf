/** What a container may reach, changed at once when it runs. Established connections go on. */
import { inverse } from '../firewall/rules.ts'
import type { ContainerRecord, EgressEntry } from '../store/records.ts'
import { egressRules, isRestricted, refuseEgress } from './egress-policy.ts'
import { ownsSandbox, usesNames } from './endpoints.ts'
import type { Parts } from './parts.ts'
import { changeOf } from './published.ts'
import { reconfigureEndpoints } from './reconfigure-endpoints.ts'
import { resolverOptions } from './resolver-options.ts'

/** Null for everything. Throws kind 'invalid' where a policy would not hold. Call under the container's lock. */
export async function updateEgress(
  parts: Parts,
  container: ContainerRecord,
  egress: readonly EgressEntry[] | null,
): Promise<void> {
  const changed = { ...container, spec: { ...container.spec, egress } }
  refuseEgress(parts, changed)
  await using undo = new AsyncDisposableStack()
  if (container.state.status === 'running') await updateRunning(parts, undo, container, changed)
  parts.store.containers.put(container.id, changed)
  undo.move()
  parts.events.emit('container', 'update', container.id, {
    name: container.name,
    image: container.spec.image,
  })
}

async function updateRunning(
  parts: Parts,
  undo: AsyncDisposableStack,
  container: ContainerRecord,
  changed: ContainerRecord,
): Promise<void> {
  const batch = changeOf(egressRules(parts, container), egressRules(parts, changed))
  undo.defer(() => parts.firewall.apply(inverse(batch)))
  await parts.firewall.apply(batch)
  if (isRestricted(container) !== isRestricted(changed) && ownsSandbox(parts, changed)) {
    undo.defer(() => reconfigureEndpoints(parts, container))
    await reconfigureEndpoints(parts, changed)
  }
  undo.defer(() => followNames(parts, changed, container))
  await followNames(parts, container, changed)
}

/** What names were answered with may be reached as the policy of `changed` says, and only its names are asked for outside. */
async function followNames(
  parts: Parts,
  container: ContainerRecord,
  changed: ContainerRecord,
): Promise<void> {
  if (!isRestricted(container)) parts.egress.open(changed)
  else if (!isRestricted(changed)) await parts.egress.close(changed.id)
  else await parts.egress.follow(changed)
  if (ownsSandbox(parts, changed) && usesNames(parts, changed)) {
    parts.names.update(changed.id, resolverOptions(parts, changed))
  }
}
