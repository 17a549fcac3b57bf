import type { DefaultRoute, Topology as EngineTopology } from '../../engine/engine.ts'
import type { ContainerRecord, PublishedPort } from '../../store/records.ts'
import type { Topology, TopologyContainer, TopologyPort, TopologyRoute } from '../schema/topology.ts'

export function toTopology(host: string, { interfaces, networks, containers }: EngineTopology): Topology {
  return {
    Host: {
      Name: host,
      Interfaces: interfaces.map(({ name, kind, up, mtu, addresses }) => ({
        Name: name,
        Kind: kind,
        Up: up,
        Mtu: mtu,
        Addresses: addresses,
      })),
    },
    Networks: networks.map(({ network, link }) => ({
      Id: network.id,
      Name: network.name,
      Driver: network.driver,
      Internal: network.internal,
      Subnets: network.pools.map(({ subnet, gateway }) => ({ Subnet: subnet, Gateway: gateway })),
      Interface: link,
    })),
    Containers: containers.map(({ container, routes }) => toContainer(container, routes)),
  }
}

function toContainer(
  { id, name, state, spec, endpoints, published }: ContainerRecord,
  routes: EngineTopology['containers'][number]['routes'],
): TopologyContainer {
  return {
    Id: id,
    Name: name,
    State: state.status,
    NetworkOf: /^container:(.+)/.exec(spec.networkMode)?.[1] ?? '',
    Endpoints: endpoints.map((endpoint) => ({
      Network: endpoint.network,
      Interface: endpoint.interfaceName,
      MacAddress: endpoint.mac,
      IPv4Address: endpoint.address4,
      IPv6Address: endpoint.address6,
    })),
    Ports: published.map(toPort),
    DefaultRoutes: { IPv4: toRoute(routes.v4), IPv6: toRoute(routes.v6) },
  }
}

function toPort(port: PublishedPort): TopologyPort {
  return {
    HostIp: port.hostAddress,
    HostPort: port.hostPort,
    ContainerPort: port.containerPort,
    Count: port.count,
    Protocol: port.protocol,
    Via: port.via,
  }
}

function toRoute(route: DefaultRoute | null): TopologyRoute | null {
  return route === null ? null : { Network: route.network, Gateway: route.gateway, Why: route.why }
}
