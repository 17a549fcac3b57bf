/**
 * Routed networks: each container has a cable of its own to the host and is reached by a route to its very address. No bridge, no
 * broadcasts: containers see of each other what the host routes.
 *
 *     docker network create -d point-to-point --subnet 10.60.0.0/24 routed
 *     docker run --network routed …
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { defineDriver, type Endpoint, Type } from 'tsnet/driver'
import {
  createLink,
  findLink,
  getLink,
  openRouteSocket,
  removeLink,
  setLink,
  setRoute,
  veth,
} from 'tsnet/netlink'

const options = Type.Object({ mtu: Type.Integer({ default: 1500, minimum: 1280, maximum: 65535 }) })

export default defineDriver({
  apiVersion: 1,
  description: 'A route to each container',
  network: {
    options,
    // Whatever a container sends goes to the host, which answers for all addresses.
    gatewayFor: (network, { subnet }) => (network.internal ? '' : subnet.includes(':') ? '::' : '0.0.0.0'),

    createNetwork() {
      writeSysctl('net/ipv4/ip_forward', '1')
      writeSysctl('net/ipv6/conf/all/forwarding', '1')
    },

    async attach(endpoint, sandbox) {
      const { hostName, interfaceName, mac, network } = endpoint
      const { mtu } = network.options
      using socket = openRouteSocket()
      // A call may come again.
      const left = findLink(socket, hostName)
      if (left !== null) await removeLink(left.index)
      const peer = { name: interfaceName, mtu, netns: sandbox.netns, ...(mac !== '' && { address: mac }) }
      createLink(socket, { name: hostName, kind: veth(peer), mtu })
      const { index } = getLink(socket, hostName)
      answerForAll(hostName)
      setLink(socket, index, { alias: endpoint.alias, up: true })
      for (const destination of hostRoutes(endpoint)) setRoute(socket, { destination, gateway: '', index })
    },
    // The cable goes with its alias, and the routes with the cable.
  },
})

/** The container asks for hardware addresses of everybody; the host gives its own (proxy ARP and its like for IPv6). */
function answerForAll(link: string): void {
  writeSysctl(`net/ipv4/conf/${link}/proxy_arp`, '1')
  writeSysctl(`net/ipv4/neigh/${link}/proxy_delay`, '0')
  writeSysctl(`net/ipv6/conf/${link}/proxy_ndp`, '1')
}

function hostRoutes({
  address4,
  address6,
}: Pick<Endpoint<unknown, unknown>, 'address4' | 'address6'>): string[] {
  return [
    ...(address4 === '' ? [] : [`${address4.split('/')[0]}/32`]),
    ...(address6 === '' ? [] : [`${address6.split('/')[0]}/128`]),
  ]
}

function writeSysctl(name: string, value: string): void {
  const path = `/proc/sys/${name}`
  if (readFileSync(path, 'utf8').trim() !== value) writeFileSync(path, value)
}
