/** Ports come and go while a container runs: what is published beside them is not touched. */
import type { AttachedEndpoint, NetworkDriver } from '../drivers/driver.ts'
import { TsnetError } from '../errors.ts'
import { inverse } from '../firewall/rules.ts'
import type { ContainerRecord, PortBinding, PublishedPort } from '../store/records.ts'
import { driverContext } from './driver-context.ts'
import { attachedOf, chooseDefaultRoutes, networkOf } from './endpoints.ts'
import { joinsNetwork } from './joined-network.ts'
import type { Parts } from './parts.ts'
import { exposedPortsOf } from './plan.ts'
import {
  joinBindings,
  publishedFor,
  publishedForEach,
  withoutBindings,
  withoutPublished,
} from './port-set.ts'
import { changeRules, forgetFlows, publishesPorts, reserve, wantedPorts } from './published.ts'

type Publish = NonNullable<NetworkDriver['publish']>

/**
 * Publishes exactly `bindings` from now on, and after every start to come. All or nothing: throws what a create or a start would throw
 * for ports that cannot be had. Call under the container's lock.
 */
export async function updatePorts(
  parts: Parts,
  container: ContainerRecord,
  bindings: readonly PortBinding[],
): Promise<void> {
  if (bindings.length > 0 && joinsNetwork(container)) {
    throw new TsnetError(
      'invalid',
      'bad-container',
      'conflicting options: port publishing and the container type network mode',
    )
  }
  const isRunning = container.state.status === 'running'
  if (isRunning) await tellDrivers(parts, container, joinBindings(bindings))
  const isLed = isRunning && leadingDrivers(parts, container).length > 0
  if (!isLed && bindings.length > 0 && isRunning && !publishesPorts(parts, container)) {
    throw new TsnetError(
      'conflict',
      'nothing-to-publish',
      `container ${container.name} has no address to which ports could lead: connect it to a bridge network that is not internal`,
    )
  }
  const spec = { ...container.spec, ports: joinBindings(bindings) }
  const image = parts.store.images.get(container.image)
  const exposedPorts = image === undefined ? container.exposedPorts : exposedPortsOf(spec, image)
  const changed = { ...container, spec, exposedPorts }
  if (isRunning && publishesPorts(parts, container)) await updateRunning(parts, container, changed)
  else parts.store.containers.put(container.id, changed)
  parts.events.emit('container', 'update', container.id, { name: container.name, image: spec.image })
}

/** The endpoints that lead out and whose drivers see to ports themselves, and can change them. */
function leadingDrivers(
  parts: Parts,
  container: ContainerRecord,
): { endpoint: AttachedEndpoint; publish: Publish }[] {
  const { v4, v6 } = chooseDefaultRoutes(parts, container.endpoints)
  return container.endpoints
    .filter(({ id }) => id === v4 || id === v6)
    .flatMap((endpoint) => {
      const network = networkOf(parts, endpoint)
      const driver = parts.networkDriver(network.driver)
      if (driver.capabilities.ports !== 'driver' || driver.publish === undefined) return []
      return [{ endpoint: attachedOf(network, endpoint), publish: driver.publish.bind(driver) }]
    })
}

/** A driver that refuses is told the earlier ports again. */
async function tellDrivers(
  parts: Parts,
  container: ContainerRecord,
  bindings: readonly PortBinding[],
): Promise<void> {
  await using undo = new AsyncDisposableStack()
  for (const { endpoint, publish } of leadingDrivers(parts, container)) {
    undo.defer(() => publish(driverContext(parts), endpoint, container.spec.ports))
    await publish(driverContext(parts), endpoint, bindings)
  }
  undo.move()
}

async function updateRunning(
  parts: Parts,
  container: ContainerRecord,
  changed: ContainerRecord,
): Promise<void> {
  const { store, ports, firewall } = parts
  const [before, after] = [wantedPorts(parts, container), wantedPorts(parts, changed)]
  const routed = after.flatMap((binding) => publishedFor(container.published, binding)).filter(isRouted)
  // several bindings may lead to the same port of the container, and need it as long as one is left
  const gone = withoutPublished(publishedOf(container, before, withoutBindings(before, after)), routed)
  const entry = store.journal.begin('update-ports', container.id, { published: gone })
  await using undo = new AsyncDisposableStack()
  undo.defer(() => store.journal.clear(entry))
  // first, so that a host port can be led elsewhere in one change
  undo.defer(async () => void (await reserve(parts, container, gone.map(sameBinding))))
  ports.release(container.id, gone)
  const added = await reserve(parts, container, withoutBindings(after, before))
  undo.defer(() => ports.release(container.id, added))
  const published = withoutTwins([...withoutPublished(container.published, gone), ...added])
  const batch = changeRules(parts, container, { ...changed, published })
  undo.defer(() => firewall.apply(inverse(batch)))
  store.journal.step(entry, 'rules')
  await firewall.apply(batch)
  forgetFlows(parts, [...gone, ...added])
  store.transaction(() => {
    store.containers.put(container.id, { ...changed, published })
    store.journal.clear(entry)
  })
  undo.move()
}

/** The published ports that stand for `some` of all bindings, or for parts of these. */
function publishedOf(
  { published }: ContainerRecord,
  all: readonly PortBinding[],
  some: readonly PortBinding[],
): PublishedPort[] {
  const each = publishedForEach(published, all)
  return some.flatMap((binding) => each[all.indexOf(binding)] ?? publishedFor(published, binding))
}

/** Told once what several bindings lead to. */
function withoutTwins(published: readonly PublishedPort[]): PublishedPort[] {
  const keys = published.map((port) => JSON.stringify(port))
  return published.filter((port, at) => !isRouted(port) || keys.indexOf(keys[at]!) === at)
}

function isRouted({ via }: PublishedPort): boolean {
  return via === 'route'
}

/** As it was published. */
function sameBinding({ via, ...port }: PublishedPort): PortBinding {
  const last = via === 'route' ? 0 : port.hostPort + port.count - 1
  return { ...port, hostPortEnd: last }
}
