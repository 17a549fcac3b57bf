/** A network plugin as small as one can be that works: a bridge for each network, a pair of veths for each endpoint. */
import { execFileSync } from 'node:child_process'
import type { Fields, Methods } from './docker-plugin.ts'

interface IpamData {
  readonly Pool: string
  readonly Gateway: string
}

export interface NetworkPluginOptions {
  /** The namespace in which it works, '' for the process's own. */
  readonly netns?: string
  /** What it wants interfaces in containers to be called. */
  readonly prefix?: string
  readonly routes?: readonly Fields[]
}

/** Its state is what the kernel has: links are called after the ids of networks and endpoints. */
export function bridgeNetworks({ netns = '', prefix = 'eth', routes = [] }: NetworkPluginOptions): Methods {
  /** All in one process: `ip -batch`. */
  const ip = (...commands: readonly string[]): string =>
    execFileSync('ip', [...(netns === '' ? [] : ['-n', netns]), '-batch', '-'], {
      input: `${commands.join('\n')}\n`,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
    })
  const name = (kind: string, id: unknown): string => `${kind}${String(id).slice(0, 8)}`
  const gateways = new Map<string, Fields>()
  const bare = (cidr: string | undefined): string => cidr?.split('/')[0] ?? ''
  return {
    'NetworkDriver.GetCapabilities': () => ({ Scope: 'local', ConnectivityScope: 'local' }),
    'NetworkDriver.CreateNetwork': ({ NetworkID: id, Options: options, IPv4Data: four, IPv6Data: six }) => {
      const generic = (options as Fields)['com.docker.network.generic'] as Fields
      if (generic['refuse'] !== undefined) throw new Error('this network is refused')
      const pools = [...(four as IpamData[]), ...(six as IpamData[])]
      const mac = `02:00:${String(id).slice(0, 8).match(/../g)!.join(':')}`
      const [bridge, member, peer] = ['pb', 'pd', 'pe'].map((kind) => name(kind, id))
      const isInternal = (options as Fields)['com.docker.network.internal'] === true
      const addresses = isInternal ? [] : pools.map(({ Gateway }) => Gateway).filter(Boolean)
      // With a member of its own the bridge is the same with endpoints and without.
      ip(
        `link add ${bridge} address ${mac} type bridge`,
        `link add ${member} type veth peer name ${peer}`,
        `link set ${bridge} addrgenmode none up`,
        `link set ${member} addrgenmode none master ${bridge} up`,
        `link set ${peer} addrgenmode none up`,
        ...addresses.map((one) => `addr add ${one} dev ${bridge}${one.includes(':') ? ' nodad' : ''}`),
      )
      while (!ip(`link show ${bridge}`).includes('state UP'));
      const gatewayOf = (data: unknown): string => (isInternal ? '' : bare((data as IpamData[])[0]?.Gateway))
      gateways.set(String(id), { Gateway: gatewayOf(four), GatewayIPv6: gatewayOf(six) })
      return {}
    },
    'NetworkDriver.DeleteNetwork': ({ NetworkID: id }) => {
      ip(...['pb', 'pd'].map((kind) => `link del ${name(kind, id)}`))
      return {}
    },
    'NetworkDriver.CreateEndpoint': ({ NetworkID: network, EndpointID: id, Interface: given }) => {
      ip(
        `link add ${name('ph', id)} type veth peer name ${name('pc', id)}`,
        `link set ${name('ph', id)} master ${name('pb', network)} up`,
      )
      const mac = `02:42:${String(id).slice(0, 8).match(/../g)!.join(':')}`
      return { Interface: (given as Fields)['MacAddress'] === '' ? { MacAddress: mac } : {} }
    },
    'NetworkDriver.Join': ({ NetworkID: network, EndpointID: id }) => ({
      InterfaceName: { SrcName: name('pc', id), DstPrefix: prefix },
      ...gateways.get(String(network)),
      StaticRoutes: routes,
    }),
    'NetworkDriver.ProgramExternalConnectivity': () => ({}),
    'NetworkDriver.RevokeExternalConnectivity': () => ({}),
    'NetworkDriver.Leave': () => ({}),
    'NetworkDriver.DeleteEndpoint': ({ EndpointID: id }) => {
      ip(`link del ${name('ph', id)}`)
      return {}
    },
    'NetworkDriver.EndpointOperInfo': () => ({ Value: {} }),
  }
}
