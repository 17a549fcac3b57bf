/** A driver of networks: docker network create -d NAME-OF-THIS-FILE */
import { defineDriver, Type } from 'tsnet/driver'
import {
  bridge,
  createLink,
  findLink,
  getLink,
  openRouteSocket,
  removeLink,
  setLink,
  veth,
} from 'tsnet/netlink'

const bridgeOf = (id: string): string => `nw-${id.slice(0, 11)}`

export default defineDriver({
  apiVersion: 1,
  description: 'A bridge that leads nowhere',
  network: {
    // What users give with -o; its texts become numbers and booleans as you say here.
    options: Type.Object({ mtu: Type.Integer({ default: 1500, minimum: 1280 }) }),
    gatewayFor: () => '',

    // Every function may be called again for the same network or endpoint: after a crash, or when it took too long.
    createNetwork({ id, options, alias }) {
      using socket = openRouteSocket()
      const name = bridgeOf(id)
      if (findLink(socket, name) === null)
        createLink(socket, { name, kind: bridge({ stp: false }), mtu: options.mtu })
      // What carries the alias goes away with the network by itself.
      setLink(socket, getLink(socket, name).index, { alias, up: true })
    },

    async attach({ network, alias, hostName, interfaceName, mac }, sandbox) {
      using socket = openRouteSocket()
      const left = findLink(socket, hostName)
      if (left !== null) await removeLink(left.index)
      const { mtu } = network.options
      const peer = { name: interfaceName, mtu, netns: sandbox.netns, ...(mac !== '' && { address: mac }) }
      createLink(socket, { name: hostName, kind: veth(peer), mtu })
      const master = getLink(socket, bridgeOf(network.id)).index
      setLink(socket, getLink(socket, hostName).index, { alias, master, up: true })
      // Addresses, routes and sysctls are given to the interface after this.
    },
  },
})
