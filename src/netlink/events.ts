/** What changes in a namespace, as the kernel tells it to its multicast groups (rtnetlink(7), RTNLGRP_*). */
import { readlinkSync } from 'node:fs'
import { NETLINK_ROUTE } from '../sys/constants/netlink.ts'
import {
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELNEIGH,
  RTM_DELROUTE,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWNEIGH,
  RTM_NEWROUTE,
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_IPV4_ROUTE,
  RTNLGRP_IPV6_IFADDR,
  RTNLGRP_IPV6_ROUTE,
  RTNLGRP_LINK,
  RTNLGRP_NEIGH,
} from '../sys/constants/rtnetlink.ts'
import { AF_BRIDGE } from '../sys/constants/socket.ts'
import { SyscallError } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import {
  joinNetlinkGroup,
  leaveNetlinkGroup,
  openNetlinkSocket,
  receiveNetlink,
} from '../sys/netlink-socket.ts'
import { inNetns } from '../sys/netns.ts'
import { type ReadableWatch, watchReadable } from '../sys/readable.ts'
import { type Address, decodeAddress } from './address.ts'
import { decodeForwarding, type Forwarding } from './forwarding.ts'
import { decodeLink, ifinfomsg, type Link } from './link.ts'
import { decodeMessages, type Message } from './message.ts'
import { decodeNeighbour, type Neighbour, ndmsg } from './neighbour.ts'
import { decodeRoute, type Route } from './route.ts'

export type NetlinkEvent =
  /** A link was made or changed; `link` is what it is now. */
  | { readonly type: 'link'; readonly link: Link }
  | { readonly type: 'link-removed'; readonly link: Link }
  | { readonly type: 'address'; readonly address: Address }
  | { readonly type: 'address-removed'; readonly address: Address }
  | { readonly type: 'route'; readonly route: Route }
  | { readonly type: 'route-removed'; readonly route: Route }
  | { readonly type: 'neighbour' | 'neighbour-removed'; readonly neighbour: Neighbour }
  | { readonly type: 'forwarding' | 'forwarding-removed'; readonly forwarding: Forwarding }
  /** Events came faster than they were read, and some are lost: look at the whole again. */
  | { readonly type: 'lost' }

const groups = {
  links: [RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR],
  routes: [RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE],
  neighbours: [RTNLGRP_NEIGH],
} as const

type Listener = (event: NetlinkEvent) => void

/** A socket, and who hears what comes in by it. */
class Source {
  readonly socket: Fd
  readonly listeners = new Set<Listener>()
  readonly #watch: ReadableWatch
  #isDelivering = false

  constructor(socket: Fd, about: keyof typeof groups) {
    this.socket = socket
    for (const group of groups[about]) joinNetlinkGroup(socket, group)
    this.#watch = watchReadable(socket, () => this.deliver())
    this.#watch.unref()
  }

  /** Passes on all that waits. */
  deliver(): void {
    if (this.#isDelivering) return
    this.#isDelivering = true
    try {
      deliver(this.socket, (event) => {
        for (const listener of this.listeners) listener(event)
      })
    } finally {
      this.#isDelivering = false
    }
  }

  close(): void {
    this.#watch.stop()
    this.socket.close()
  }
}

/** By what they are about and the namespace: several parts of a daemon hear of each link, which is read once for all of them. */
const sources = new Map<string, Source>()

/**
 * Calls `listener` from the event loop for each change of links and their addresses, or of routes, in the thread's own namespace, or in
 * `netns`, from now on until the returned handle is disposed of. The process may end while it watches.
 */
export function watchEvents(listener: Listener, netns?: Fd, about: 'links' | 'routes' = 'links'): Disposable {
  if (netns !== undefined) {
    const source = new Source(
      inNetns(netns, () => openNetlinkSocket(NETLINK_ROUTE)),
      about,
    )
    return listen(source, listener, () => source.close())
  }
  const key = `${about} ${readlinkSync('/proc/thread-self/ns/net')}`
  const present = sources.get(key)
  // What has been is not for who comes now.
  present?.deliver()
  const source = present ?? new Source(openNetlinkSocket(NETLINK_ROUTE), about)
  sources.set(key, source)
  return listen(source, listener, () => {
    sources.delete(key)
    source.close()
  })
}

/** Hears at once what the kernel has told by now of the thread's own namespace. */
export function hearEvents(): void {
  for (const source of sources.values()) source.deliver()
}

function listen(source: Source, listener: Listener, onUnused: () => void): Disposable {
  // The same function may be given twice.
  const own: Listener = (event) => listener(event)
  source.listeners.add(own)
  return {
    [Symbol.dispose]: () => {
      if (source.listeners.delete(own) && source.listeners.size === 0) onUnused()
    },
  }
}

export interface NeighbourWatch extends Disposable {
  /** Runs changes of one's own that the listener is not to hear of; nor does it hear of others' meanwhile. */
  unheard<T>(act: () => T): T
}

/** As `watchEvents`, for changes of neighbours and forwarding entries. */
export function watchNeighbours(listener: Listener): NeighbourWatch {
  const source = new Source(openNetlinkSocket(NETLINK_ROUTE), 'neighbours')
  const watch = listen(source, listener, () => source.close())
  return {
    unheard(act) {
      for (const group of groups.neighbours) leaveNetlinkGroup(source.socket, group)
      try {
        return act()
      } finally {
        for (const group of groups.neighbours) joinNetlinkGroup(source.socket, group)
      }
    },
    [Symbol.dispose]: () => watch[Symbol.dispose](),
  }
}

/** Passes on all that waits. A listener may dispose of the watch meanwhile. */
function deliver(socket: Fd, listener: Listener): void {
  while (socket.isOpen) {
    const datagram = receive(socket)
    if (datagram === null) return
    if (datagram === 'lost') listener({ type: 'lost' })
    else
      for (const message of decodeMessages(datagram)) for (const event of eventsOf(message)) listener(event)
  }
}

function receive(socket: Fd): Buffer | 'lost' | null {
  try {
    return receiveNetlink(socket)
  } catch (error) {
    if (error instanceof SyscallError && error.errnoName === 'ENOBUFS') return 'lost'
    throw error
  }
}

/** None for messages about other things. */
export function eventsOf({ type, body }: Message): NetlinkEvent[] {
  if (type === RTM_NEWADDR) return [{ type: 'address', address: decodeAddress(body) }]
  if (type === RTM_DELADDR) return [{ type: 'address-removed', address: decodeAddress(body) }]
  if (type === RTM_NEWROUTE) return [{ type: 'route', route: decodeRoute(body) }]
  if (type === RTM_DELROUTE) return [{ type: 'route-removed', route: decodeRoute(body) }]
  if (type === RTM_NEWNEIGH || type === RTM_DELNEIGH) return [neighbourEvent(type, body)]
  if (type !== RTM_NEWLINK && type !== RTM_DELLINK) return []
  // A bridge's word about its port: RTM_DELLINK then says that the port was taken out, not that the link is gone.
  if (ifinfomsg.decode(body).family === AF_BRIDGE) return []
  return [{ type: type === RTM_NEWLINK ? 'link' : 'link-removed', link: decodeLink(body) }]
}

function neighbourEvent(type: number, body: Buffer): NetlinkEvent {
  const isNew = type === RTM_NEWNEIGH
  if (ndmsg.decode(body).family === AF_BRIDGE) {
    return { type: isNew ? 'forwarding' : 'forwarding-removed', forwarding: decodeForwarding(body) }
  }
  return { type: isNew ? 'neighbour' : 'neighbour-removed', neighbour: decodeNeighbour(body) }
}
