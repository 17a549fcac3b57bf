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
  const ip = (command: string): string =>
    execFileSync('ip', [...(netns === '' ? [] : ['-n', netns]), ...command.split(' ')], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
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
      ip(`link add ${name('pb', id)} address ${mac} type bridge`)
      // With a member of its own the bridge is the same with endpoints and without.
      ip(`link add ${name('pd', id)} type veth peer name ${name('pe', id)}`)
      ip(`link set ${name('pd', id)} master ${name('pb', id)} up`)
      ip(`link set ${name('pe', id)} up`)
      const isInternal = (options as Fields)['com.docker.network.internal'] === true
      for (const { Gateway: address } of isInternal ? [] : pools)
        if (address !== '')
          ip(`addr add ${address} dev ${name('pb', id)} ${address.includes(':') ? 'nodad' : ''}`.trim())
      ip(`link set ${name('pb', id)} up`)
      const gatewayOf = (data: unknown): string => (isInternal ? '' : bare((data as IpamData[])[0]?.Gateway))
      gateways.set(String(id), { Gateway: gatewayOf(four), GatewayIPv6: gatewayOf(six) })
      return {}
    },
    'NetworkDriver.DeleteNetwork': ({ NetworkID: id }) => {
      for (const kind of ['pb', 'pd']) ip(`link del ${name(kind, id)}`)
      return {}
    },
    'NetworkDriver.CreateEndpoint': ({ NetworkID: network, EndpointID: id, Interface: given }) => {
      ip(`link add ${name('ph', id)} type veth peer name ${name('pc', id)}`)
      ip(`link set ${name('ph', id)} master ${name('pb', network)} up`)
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
