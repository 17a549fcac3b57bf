/**
 * Ports of networks whose drivers lead packets themselves. Where the driver wants that, the host's ports are chosen and reserved here as
 * for any other network, so that nobody else gets them and everybody sees them; the driver is told of them when it attaches.
 */
import { TsnetError } from '../errors.ts'
import type { ContainerRecord, EndpointRecord, PortBinding, PublishedPort } from '../store/records.ts'
import { chooseDefaultRoutes, type DefaultRoutes, networkOf } from './endpoints.ts'
import type { Parts } from './parts.ts'
import { wantedPorts } from './published.ts'

/** What has been reserved, and the endpoint whose driver leads it; '' for none. */
export interface LedPorts {
  readonly endpoint: string
  readonly published: readonly PublishedPort[]
}

export const nothingLed: LedPorts = { endpoint: '', published: [] }

/** Reserves what the container wants published if it is led out by such a network. */
export async function reserveForDriver(
  parts: Parts,
  container: ContainerRecord,
  defaults: DefaultRoutes,
): Promise<LedPorts> {
  const [v4, v6] = [defaults.v4, defaults.v6].map((id) => reservingEndpoint(parts, container, id))
  const endpoint = v4 ?? v6
  const bindings = endpoint === undefined ? [] : wantedPorts(parts, container)
  if (endpoint === undefined || bindings.length === 0) return nothingLed
  for (const binding of bindings) refuseConditions(networkOf(parts, endpoint).name, binding)
  // Addresses come with the interface, when the ports must be known already.
  const targets = {
    v4: v4 ? '0.0.0.0' : '',
    v6: v6?.id === endpoint.id ? '::' : '',
    routed4: false,
    routed6: false,
  }
  const published = await parts.ports.reserve(container.id, container.name, bindings, {
    ...targets,
    unrelayed: true,
  })
  return { endpoint: endpoint.id, published }
}

/** As `reserveForDriver`, for an endpoint that a running container gets: nothing where another one leads out, or leads its ports already. */
export async function reserveForJoining(
  parts: Parts,
  undo: AsyncDisposableStack,
  container: ContainerRecord,
  joining: EndpointRecord,
): Promise<LedPorts> {
  const endpoints = [...container.endpoints, joining]
  const defaults = chooseDefaultRoutes(parts, endpoints)
  const isLeading = defaults.v4 === joining.id || defaults.v6 === joining.id
  if (!isLeading || container.published.length > 0) return nothingLed
  const led = await reserveForDriver(parts, { ...container, endpoints }, defaults)
  if (led.published.length > 0) undo.defer(() => parts.ports.release(container.id))
  return led
}

/** Whether the container's published ports are led by the endpoint's driver. */
export function leadsPorts(parts: Parts, container: ContainerRecord, endpoint: EndpointRecord): boolean {
  const { v4, v6 } = chooseDefaultRoutes(parts, container.endpoints)
  const leading = reservingEndpoint(parts, container, v4) ?? reservingEndpoint(parts, container, v6)
  return leading?.id === endpoint.id && container.published.length > 0
}

function reservingEndpoint(parts: Parts, container: ContainerRecord, id: string): EndpointRecord | undefined {
  const endpoint = container.endpoints.find((candidate) => candidate.id === id)
  if (endpoint === undefined) return undefined
  return portsOf(parts, endpoint) === 'reserved' ? endpoint : undefined
}

function portsOf(parts: Parts, endpoint: EndpointRecord): string {
  return parts.networkDriver(networkOf(parts, endpoint).driver).capabilities.ports
}

/** A driver leads to a port whoever asks for it. */
function refuseConditions(network: string, { sources, hostInterface, hostPolicy }: PortBinding): void {
  if (sources.length === 0 && hostInterface === '' && hostPolicy === '') return
  throw new TsnetError(
    'invalid',
    'bad-port',
    `network ${network}: its driver publishes ports for everybody: leave out from=, host-policy= and interfaces`,
  )
}

/** What the driver of an endpoint is told of its container's ports. */
export function portsToldTo(
  parts: Parts,
  container: ContainerRecord,
  endpoint: EndpointRecord,
  led: LedPorts,
): readonly PortBinding[] {
  if (portsOf(parts, endpoint) !== 'reserved') return container.spec.ports
  return endpoint.id === led.endpoint ? led.published.map(asBinding) : []
}

function asBinding(port: PublishedPort): PortBinding {
  const { protocol, containerPort, hostAddress, hostInterface, sources, hostPolicy, hostPort, count } = port
  const hostPortEnd = hostPort + count - 1
  return {
    ...{ protocol, containerPort, hostAddress, hostInterface, sources },
    ...{ hostPolicy, hostPort, hostPortEnd, count },
  }
}
