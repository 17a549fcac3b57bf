/** HostConfig.NetworkMode, and what cannot be had together with the network of another container. */
import { TsnetError } from '../../errors.ts'
import type { EndpointRequest } from '../../store/records.ts'
import type { ContainerCreate } from '../schema/container-create.ts'

function invalid(message: string): TsnetError {
  return new TsnetError('invalid', 'bad-container-config', message)
}

export function isContainerMode(mode: string): boolean {
  return mode === 'container' || mode.startsWith('container:')
}

/** The default network is called bridge from here on, as in Docker. Throws kind 'invalid' where Docker does. */
export function toNetworkMode(body: ContainerCreate): string {
  const mode = body.HostConfig?.NetworkMode ?? ''
  if (mode === '' || mode === 'default') return 'bridge'
  if (!isContainerMode(mode)) return mode
  if (!/^container:./.test(mode)) {
    throw invalid('invalid network mode: invalid container format container:<name|id>')
  }
  checkContainerMode(body)
  return mode
}

/** In the order in which Docker looks at them. */
function checkContainerMode(body: ContainerCreate): void {
  const host = body.HostConfig ?? {}
  const isSet = (value: unknown): boolean => Object.keys(value ?? {}).length > 0
  const mode = 'the network mode'
  const container = 'the container type network mode'
  if (body.Hostname) throw conflict('hostname', mode)
  if (isSet(host.Links)) {
    throw invalid(
      "conflicting options: container type network can't be used with links. This would result in undefined behavior",
    )
  }
  if (isSet(host.Dns)) throw conflict('dns', mode)
  if (isSet(host.ExtraHosts)) throw conflict('custom host-to-IP mapping', mode)
  if (body.MacAddress) throw conflict('mac-address', mode)
  if (isSet(host.PortBindings) || host.PublishAllPorts === true) throw conflict('port publishing', container)
  if (isSet(body.ExposedPorts)) throw conflict('port exposing', container)
}

function conflict(option: string, mode: string): TsnetError {
  return invalid(`conflicting options: ${option} and ${mode}`)
}

/** In another container's network there is nothing to connect: clients send settings all the same, as long as they ask for nothing. */
export function refuseEndpoints(endpoints: Readonly<Record<string, EndpointRequest>>): void {
  for (const [name, request] of Object.entries(endpoints)) {
    if (!isContainerMode(name)) {
      throw invalid(
        'conflicting options: container sharing network namespace with another container or host cannot be connected to any other network',
      )
    }
    const asked = Object.values(request).some((value) =>
      typeof value === 'object' && value !== null ? Object.keys(value).length > 0 : Boolean(value),
    )
    if (asked) throw conflict('endpoint settings', 'the container type network mode')
  }
}
