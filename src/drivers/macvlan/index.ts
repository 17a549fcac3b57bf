/**
 * Networks whose containers are on a link of the host's as if they were machines beside it: macvlan, where each has a hardware
 * address of its own, and ipvlan, where they share the parent's.
 */
import { TsnetError } from '../../errors.ts'
import { isNetlinkError } from '../../netlink/error.ts'
import type { Link } from '../../netlink/link.ts'
import { openRouteSocket } from '../../netlink/socket.ts'
import { Announcer } from '../../sandbox/announcer.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import { formatMac, parseMac, randomMac } from '../../values/mac.ts'
import { configureEndpoint } from '../configure-endpoint.ts'
import type { Attachment, EndpointSpec, NetworkDriver } from '../driver.ts'
import { refuseEndpointOptions } from '../network-options.ts'
import {
  createEndpointLink,
  ensureParent,
  removeEndpointLink,
  removeTagged,
  removeUnfinished,
  sweepTagged,
} from './links.ts'
import { gatewayOf, type Kind, type MacvlanOptions, parseMacvlanOptions } from './options.ts'
import { ParentUsers, settleVlans } from './parents.ts'
import { lostLinks, repairHost, watchParents } from './repair.ts'
import { addHostRoutes, ensureShim, hostAccess, removeHostRoutes, setHostRoutes } from './shim.ts'

/** Both work in the network namespace that the daemon runs in, and know of each other's networks on a parent. */
export function createMacvlanDrivers(): readonly NetworkDriver<MacvlanOptions>[] {
  const users = new ParentUsers()
  return [createDriver('macvlan', users), createDriver('ipvlan', users)]
}

function createDriver(kind: Kind, users: ParentUsers): NetworkDriver<MacvlanOptions> {
  const announcer = new Announcer()
  return {
    name: kind,
    capabilities: { scope: 'local', addresses: 'ipam', gateway: 'given', ports: 'none' },
    parseOptions: (network) => parseMacvlanOptions(kind, network),
    checkEndpoint(network, { mac, options }) {
      refuseEndpointOptions(kind, network, options)
      if (kind === 'ipvlan' && mac !== null) throw noOwnMac(mac)
    },
    gatewayFor: (network, pool) => gatewayOf(kind, network, pool),
    ownAddresses: (network) => (parseMacvlanOptions(kind, network).hostAccess ? [hostAccess] : []),

    async createNetwork(context, network) {
      context.signal.throwIfAborted()
      const options = parseMacvlanOptions(kind, network)
      // Also what then fails stands there until it is removed: a restart may come before the parent does.
      users.add(kind, network, options)
      using socket = openRouteSocket()
      const parent = await ensureParent(socket, context.mark, kind, network, options)
      if (options.hostAccess) await ensureShim(socket, context.mark, kind, network, options, parent)
      return []
    },

    async removeNetwork(context, network) {
      users.remove(network.id)
      using socket = openRouteSocket()
      await settleVlans(socket, context.mark, users)
      await removeTagged(socket, context.mark, kind, network.id)
      await removeUnfinished(socket, network.id)
    },

    async attach(context, endpoint, sandbox) {
      context.signal.throwIfAborted()
      return attach(kind, announcer, context.mark, endpoint, sandbox)
    },

    async detach(context, endpoint, sandbox) {
      announcer.stop(endpoint.id)
      if (sandbox !== null) await removeEndpointLink(sandbox, context.mark, kind, endpoint.id)
      using socket = openRouteSocket()
      removeHostRoutes(socket, kind, endpoint)
    },

    async repair({ mark }, network, endpoints) {
      using socket = openRouteSocket()
      return await repairHost(socket, mark, kind, network, endpoints)
    },

    findLost: ({ mark }, endpoints) => lostLinks(mark, kind, endpoints),

    follow: (suspect) => watchParents(users, kind, suspect),

    async sweep(context, networks, endpoints) {
      users.keep(kind, networks)
      using socket = openRouteSocket()
      const removed = [
        ...(await settleVlans(socket, context.mark, users)),
        ...(await sweepTagged(socket, context.mark, kind, new Set(networks.map(({ id }) => id)))),
      ]
      if (removed.length > 0) context.log.info({ links: removed }, 'removed left-over links')
      for (const network of networks) {
        setHostRoutes(
          socket,
          kind,
          network,
          endpoints.filter((endpoint) => endpoint.network.id === network.id),
        )
      }
    },
  }
}

async function attach(
  kind: Kind,
  announcer: Announcer,
  mark: string,
  endpoint: EndpointSpec,
  sandbox: Sandbox,
): Promise<Attachment> {
  const { id, network, interfaceName, address4, address6, gateway4, gateway6 } = endpoint
  const options = parseMacvlanOptions(kind, network)
  using socket = openRouteSocket()
  await using undo = new AsyncDisposableStack()
  const parent = await ensureParent(socket, mark, kind, network, options)
  const mac = macFor(kind, endpoint, options.mode === 'passthru' ? parent.address : randomMac())
  undo.defer(() => removeEndpointLink(sandbox, mark, kind, id))
  await createEndpointLink(socket, sandbox, { mark, id, kind, options, parent, interfaceName, mac })
  const { index } = configure(kind, sandbox, endpoint, mac, parent.name)
  if (options.hostAccess) {
    const shim = await ensureShim(socket, mark, kind, network, options, parent)
    undo.defer(() => removeHostRoutes(socket, kind, endpoint))
    addHostRoutes(socket, shim, endpoint)
  }
  // In the other modes of ipvlan nobody asks for hardware addresses.
  if (kind === 'macvlan' || options.mode === 'l2') {
    const what = { index, mac: mac || parent.address, addresses: [address4, address6] }
    const { announcements: times, announcementInterval: interval } = options
    announcer.announce(sandbox, id, what, { times, interval })
  }
  undo.move()
  return { interfaceName, mac, address4, address6, gateway4, gateway6 }
}

/** An address that another link of the parent's has is noticed only now: the hardware's when the link comes up, ipvlan's as it is given. */
function configure(kind: Kind, sandbox: Sandbox, endpoint: EndpointSpec, mac: string, parent: string): Link {
  try {
    return configureEndpoint(sandbox, endpoint)
  } catch (error) {
    if (!isNetlinkError(error, 'EADDRINUSE')) throw error
    throw kind === 'macvlan' ? macTaken(mac, parent) : addressTaken(endpoint, parent)
  }
}

/** `own` is what one of macvlan has without a wish; '' for the parent's. */
function macFor(kind: Kind, { mac }: EndpointSpec, own: string): string {
  if (kind === 'macvlan') return mac === '' ? own : formatMac(parseMac(mac))
  if (mac === '') return ''
  throw noOwnMac(mac)
}

function noOwnMac(mac: string): TsnetError {
  return new TsnetError(
    'invalid',
    'no-own-mac',
    `ipvlan interfaces do not support custom mac address assignment: ${mac} was given, but all have that of their parent`,
  )
}

function macTaken(mac: string, parent: string): TsnetError {
  return new TsnetError(
    'conflict',
    'mac-in-use',
    `hardware address ${mac} is in use on parent interface ${parent}: give another one`,
  )
}

function addressTaken({ address4, address6 }: EndpointSpec, parent: string): TsnetError {
  const addresses = [address4, address6].filter((address) => address !== '').join(' or ')
  return new TsnetError(
    'conflict',
    'address-in-use',
    `address ${addresses} is in use by another link on parent interface ${parent}: give another one`,
  )
}
