/** What a pod is to be, and what its runtime is told. */
import { createHash } from 'node:crypto'
import type { CniResult } from '../../cni/result.ts'
import type { EndpointSpec } from '../../drivers/driver.ts'
import { findLink } from '../../netlink/link.ts'
import { setRoute } from '../../netlink/route.ts'
import { openRouteSocket } from '../../netlink/socket.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import type { PodRecord } from '../../store/pod-records.ts'
import type { NetworkRecord, PoolRecord } from '../../store/records.ts'
import { containsIp, parseCidr } from '../../values/cidr.ts'
import type { EndpointId } from '../../values/id.ts'
import type { PodCall, PodConfig, PodWishes } from './config.ts'

/** The same for the same interface of the same container, so that a removal needs no memory of it. */
export function podId({
  containerId,
  interfaceName,
}: Pick<PodCall, 'containerId' | 'interfaceName'>): EndpointId {
  return createHash('sha256').update(`${containerId} ${interfaceName}`).digest('hex') as EndpointId
}

export function bare(address: string): string {
  return address.split('/', 1)[0] ?? ''
}

/** The first of the family's pools, or the one that holds an address. */
export function poolFor(
  { pools }: NetworkRecord,
  family: 4 | 6,
  address: string | null,
): PoolRecord | undefined {
  const own = pools.filter(({ subnet }) => subnet.includes(':') === (family === 6))
  const holding = own.find(({ subnet }) => address !== null && containsIp(parseCidr(subnet), address))
  return holding ?? own[0]
}

export function planPod(
  call: PodCall,
  config: PodConfig,
  { address4, address6, mac, options }: PodWishes,
  { id: network, name }: NetworkRecord,
): Omit<PodRecord, 'isEngines'> {
  const id = podId(call)
  const request = {
    address4,
    address6,
    mac,
    linkLocal: [],
    aliases: [],
    links: [],
    gatewayPriority: 0,
    options,
  }
  return {
    id,
    containerId: call.containerId,
    networkName: config.name,
    netns: call.netns,
    endpoint: {
      ...{ id, network, networkName: name, request, interfaceName: call.interfaceName, dnsNames: [] },
      ...{ mac: '', address4: '', address6: '', gateway4: '', gateway6: '' },
    },
    result: null,
    published: [],
  }
}

export function specOf(
  network: NetworkRecord,
  { id, endpoint }: PodRecord,
  { leadsOut }: PodConfig,
  { mac, options }: PodWishes,
): EndpointSpec {
  const { interfaceName, address4, address6, gateway4, gateway6 } = endpoint
  return {
    ...{ id, network, interfaceName, address4, address6, gateway4, gateway6, options },
    mac: mac ?? '',
    linkLocal: [],
    defaultRoute4: leadsOut,
    defaultRoute6: leadsOut,
    sysctls: {},
    onlyOwnMac: false,
  }
}

export function addRoutes(sandbox: Sandbox, { endpoint }: PodRecord, { routes }: PodConfig): void {
  if (routes.length === 0) return
  using socket = openRouteSocket(sandbox.netns)
  const link = findLink(socket, endpoint.interfaceName)
  if (link === null) return
  for (const { dst, gw } of routes) {
    const own = dst.includes(':') ? endpoint.gateway6 : endpoint.gateway4
    const gateway = gw || (own === '0.0.0.0' || own === '::' ? '' : own)
    setRoute(socket, { destination: dst, gateway, index: link.index })
  }
}

export function resultOf(
  { netns }: PodCall,
  { routes, leadsOut, dns }: PodConfig,
  { endpoint }: PodRecord,
): CniResult {
  const { interfaceName, mac, address4, address6, gateway4, gateway6 } = endpoint
  const ways = [
    { address: address4, gateway: gateway4, dst: '0.0.0.0/0' },
    { address: address6, gateway: gateway6, dst: '::/0' },
  ].filter(({ address }) => address !== '')
  return {
    interfaces: [{ name: interfaceName, mac, sandbox: netns }],
    ips: ways.map(({ address, gateway }) => ({
      address,
      gateway: gateway === '0.0.0.0' || gateway === '::' ? '' : gateway,
      interface: 0,
    })),
    routes: [
      ...ways
        .filter(({ gateway }) => leadsOut && gateway !== '')
        .map(({ dst, gateway }) => ({ dst, gw: gateway })),
      ...routes,
    ],
    dns,
  }
}
