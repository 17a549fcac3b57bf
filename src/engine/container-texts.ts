/** What a container reads about itself and its network: hosts, hostname, resolv.conf, and podman's .containerenv. */
import { containerResolvConf } from '../dns/resolv-conf.ts'
import { serversAsked } from '../dns/server.ts'
import type { ContainerText } from '../sandbox/container-files.ts'
import { hostNetworkHostsText, hostnameText, hostsText, ownHost, parseExtraHosts } from '../sandbox/files.ts'
import type { ContainerRecord } from '../store/records.ts'
import { version } from '../version.ts'
import { linkedHosts } from './linked-hosts.ts'
import type { Parts } from './parts.ts'
import { resolverOptions } from './resolver-options.ts'

export function containerTexts(
  parts: Parts,
  container: ContainerRecord,
  ownNetwork: boolean,
  ownNames: boolean,
): ContainerText[] {
  return [
    { name: 'hostname', target: '/etc/hostname', text: hostnameText(container.hostname), readOnly: false },
    { name: 'hosts', target: '/etc/hosts', text: hosts(parts, container, ownNetwork), readOnly: false },
    {
      name: 'resolv.conf',
      target: '/etc/resolv.conf',
      text: resolvConf(parts, container, ownNames),
      readOnly: false,
    },
    { name: 'containerenv', target: '/run/.containerenv', text: containerEnv(container), readOnly: true },
  ]
}

function bareAddresses(container: ContainerRecord): string[] {
  return container.endpoints
    .flatMap((endpoint) => [endpoint.address4, endpoint.address6])
    .filter((address) => address !== '')
    .map((address) => address.split('/')[0] ?? '')
}

function hosts(parts: Parts, container: ContainerRecord, ownNetwork: boolean): string {
  const { spec, hostname } = container
  const extra = parseExtraHosts(spec.extraHosts, hostGateways(parts))
  if (!ownNetwork) return hostNetworkHostsText(parts.hostFile('/etc/hosts'), extra)
  const own = bareAddresses(container).map((address) => ownHost(address, hostname, spec.domainname))
  return hostsText([...extra, ...linkedHosts(parts, container)], own)
}

/** The addresses by which containers reach the host. */
function hostGateways(parts: Parts): readonly string[] {
  if (parts.hostGatewayIps.length > 0) return parts.hostGatewayIps
  const network = parts.store.networks.values().find((candidate) => candidate.name === 'bridge')
  return (network?.pools ?? []).map((pool) => pool.gateway).filter((gateway) => gateway !== '')
}

function resolvConf(parts: Parts, container: ContainerRecord, ownNames: boolean): string {
  const { dnsServers, dnsSearch, dnsOptions } = container.spec
  const { text, servers, configured } = parts.resolver
  // What came with the container's interfaces goes before what the host has.
  const told = container.endpoints.flatMap(({ dns }) => dns ?? [])
  const search = told.flatMap(({ search, domain }) => orElse(search, domain ? [domain] : []))
  return containerResolvConf({
    host: text,
    embedded: ownNames,
    servers: ownNames
      ? serversAsked(resolverOptions(parts, container), servers)
      : orElse(dnsServers, configured.servers),
    search: orElse(dnsSearch, orElse(search, configured.search)),
    options: orElse(
      dnsOptions,
      orElse(
        told.flatMap(({ options }) => options),
        configured.options,
      ),
    ),
  })
}

function orElse(list: readonly string[], fallback: readonly string[]): readonly string[] {
  return list.length > 0 ? list : fallback
}

function containerEnv(container: ContainerRecord): string {
  const networks = container.endpoints
    .map(
      (endpoint) =>
        `${endpoint.networkName}${[endpoint.address4, endpoint.address6]
          .filter((address) => address !== '')
          .map((address) => `=${address}`)
          .join('')}`,
    )
    .join(' ')
  const values = {
    engine: `tsnet-${version}`,
    name: container.name,
    id: container.id,
    image: container.spec.image,
    imageid: container.image,
    networks,
  }
  return Object.entries(values)
    .map(([key, value]) => `${key}="${value}"\n`)
    .join('')
    .concat('rootless=0\n')
}
