/** Per endpoint of a bridge network a veth pair: one end a port of the bridge, the other born in the sandbox. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { isNetlinkError } from '../../netlink/error.ts'
import { setForwarding } from '../../netlink/forwarding.ts'
import { setBridgePort } from '../../netlink/kinds/bridge.ts'
import { veth } from '../../netlink/kinds/veth.ts'
import { createLink, findLink, getLink, type Link, setLink } from '../../netlink/link.ts'
import { removeLink } from '../../netlink/link-removal.ts'
import { removeNeighbours } from '../../netlink/neighbour.ts'
import type { RouteSocket } from '../../netlink/socket.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import { procSys } from '../../sys/proc-sys.ts'
import type { EndpointId } from '../../values/id.ts'
import { hostVethName } from '../../values/interface-name.ts'
import { tagOf } from '../link-tags.ts'

/** What an endpoint's veth pair is to be. */
export interface PortSpec {
  /** the daemon's */
  readonly mark: string
  readonly id: EndpointId
  /** The bridge. */
  readonly master: Link
  /** The far end's name in the sandbox, and its hardware address. */
  readonly interfaceName: string
  readonly mac: string
  /** Whether the port may exchange frames with other ports. */
  readonly isolated: boolean
  /** Whether frames come in from `mac` alone. */
  readonly onlyOwnMac: boolean
}

/**
 * The kernel uses one queue of a veth in any case, unless somebody sets it otherwise later. Where it has made one for each processor,
 * it takes away the others again, and waits for all processors twice (veth_init_queues() in drivers/net/veth.c).
 */
const queues = 1

/**
 * Makes the pair, the far end in the sandbox, both down and the host's end no port yet. A left-over pair is replaced. Returns the index
 * of the host's end.
 */
export async function createPair(socket: RouteSocket, sandbox: Sandbox, port: PortSpec): Promise<number> {
  const name = hostVethName(port.id)
  const { mtu } = port.master
  const both = { mtu, queues }
  const peer = { ...both, name: port.interfaceName, address: port.mac, netns: sandbox.netns }
  const create = () => createLink(socket, { ...both, name, kind: veth(peer) })
  try {
    create()
  } catch (error) {
    const isLeftOver = isNetlinkError(error, 'EEXIST') && (await removePort(socket, port.mark, port.id))
    if (!isLeftOver) throw error
    create()
  }
  const { index } = getLink(socket, name)
  switchOffIpv6(name)
  return index
}

/** A port has no use for an address. Else it would take one, tell the container, and look there for routers. */
export function switchOffIpv6(name: string): void {
  const path = `${procSys()}/net/ipv6/conf/${name}/disable_ipv6`
  if (existsSync(path)) writeFileSync(path, '1')
}

/** Makes a veth's end on the host a port as it is to be. Port isolation works in the bridge itself, without br_netfilter. */
export function joinBridge(
  socket: RouteSocket,
  index: number,
  { mark, id, master, ...rest }: Omit<PortSpec, 'interfaceName'>,
): void {
  setLink(socket, index, { alias: tagOf(mark, id), master: master.index, up: true })
  const hairpin = filtersBridgedFrames()
  if (rest.isolated || rest.onlyOwnMac || hairpin) limitPort(socket, index, rest, hairpin)
}

/** What the bridge takes from a port that is one already, and sends to it. */
export function limitPort(
  socket: RouteSocket,
  index: number,
  { isolated, onlyOwnMac, mac }: Pick<PortSpec, 'isolated' | 'onlyOwnMac' | 'mac'>,
  hairpin = filtersBridgedFrames(),
): void {
  if (onlyOwnMac) setForwarding(socket, index, mac)
  setBridgePort(socket, index, { isolated, hairpin, locked: onlyOwnMac })
}

/**
 * Where br_netfilter passes bridged frames to iptables, a container reaches its own published port only if its bridge port may
 * send a frame back to where it came from.
 */
function filtersBridgedFrames(): boolean {
  const path = '/proc/sys/net/bridge/bridge-nf-call-iptables'
  return existsSync(path) && readFileSync(path, 'utf8').startsWith('1')
}

/** Removes an endpoint's pair by its end on the host, and returns whether there was one. Safe to repeat. */
export async function removePort(socket: RouteSocket, mark: string, id: EndpointId): Promise<boolean> {
  const link = findLink(socket, hostVethName(id))
  // Without tag and master its creation was cut short.
  const isOwn =
    link?.kind === 'veth' && (link.alias === tagOf(mark, id) || (link.alias === '' && link.master === 0))
  if (isOwn) await removeLink(link.index)
  return isOwn
}

/** Makes the host forget which hardware address had these addresses before, with or without prefix length; '' is skipped. */
export function forgetNeighbours(socket: RouteSocket, bridgeLink: Link, addresses: readonly string[]): void {
  const bare = addresses.filter(Boolean).map((address) => address.replace(/\/.*/, ''))
  removeNeighbours(socket, bridgeLink.index, bare)
}
