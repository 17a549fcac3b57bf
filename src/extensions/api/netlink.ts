/**
 * `tsnet/netlink`: links, addresses, routes and neighbours for drivers, by the kernel's own interface (rtnetlink(7)). All but
 * `removeLink` is synchronous. A socket speaks of the network namespace that it was opened for: the daemon's, or a sandbox's
 * with `openRouteSocket(sandbox.netns)`. Close sockets with `using`. Errors carry the kernel's name for them, such as EEXIST,
 * as `isNetlinkError(error, 'EEXIST')` asks.
 */

export { addAddress, listAddresses, removeAddress } from '../../netlink/address.ts'
export { isNetlinkError } from '../../netlink/error.ts'
export { bridge } from '../../netlink/kinds/bridge.ts'
export { dummy } from '../../netlink/kinds/dummy.ts'
export { ipvlan } from '../../netlink/kinds/ipvlan.ts'
export { macvlan } from '../../netlink/kinds/macvlan.ts'
export { veth } from '../../netlink/kinds/veth.ts'
export { vlan } from '../../netlink/kinds/vlan.ts'
export { vxlan } from '../../netlink/kinds/vxlan.ts'
export {
  createLink,
  findLink,
  getLink,
  type Link,
  type LinkSpec,
  listLinks,
  setLink,
} from '../../netlink/link.ts'
export { removeLink } from '../../netlink/link-removal.ts'
export { removeNeighbour, setNeighbour } from '../../netlink/neighbour.ts'
export { listRoutes, type RouteSpec, removeRoute, setRoute } from '../../netlink/route.ts'
export { openRouteSocket, type RouteSocket } from '../../netlink/socket.ts'
export type { Fd as Netns } from '../../sys/fd.ts'
/** Runs a synchronous function with the daemon's thread inside a namespace, for what goes by files below /proc/sys. */
export { inNetns } from '../../sys/netns.ts'
