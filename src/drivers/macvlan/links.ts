/**
 * The kernel's side of macvlan and ipvlan networks. In the daemon's namespace there is a parent: a link of the host's own, a VLAN
 * of one, or a dummy. Endpoints are links on the parent that are born in the sandbox. What tsnet made is tagged with its
 * owner's id in its alias, and only tagged links are removed.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { TsnetError } from '../../errors.ts'
import { isNetlinkError } from '../../netlink/error.ts'
import { dummy } from '../../netlink/kinds/dummy.ts'
import { vlan } from '../../netlink/kinds/vlan.ts'
import {
  createLink,
  findLink,
  getLink,
  isLoopback,
  type Link,
  type LinkSpec,
  listLinks,
  setLink,
} from '../../netlink/link.ts'
import { removeLink } from '../../netlink/link-removal.ts'
import { openRouteSocket, type RouteSocket } from '../../netlink/socket.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import type { NetworkRecord } from '../../store/records.ts'
import type { EndpointId, NetworkId } from '../../values/id.ts'
import { bornName, dummyParentName, dummyParentPrefix, shimName } from '../../values/interface-name.ts'
import { removeUnwanted, tagOf } from '../link-tags.ts'
import { type Kind, linkKindOf, type MacvlanOptions } from './options.ts'

/** The link that the network's endpoints stand on, made if it is a VLAN or dummy that is not there yet. */
export async function ensureParent(
  socket: RouteSocket,
  mark: string,
  kind: Kind,
  network: NetworkRecord,
  options: MacvlanOptions,
): Promise<Link> {
  if (options.parent === '') return ensureDummy(socket, mark, kind, network, options)
  const link = findLink(socket, options.parent) ?? (await createVlan(socket, mark, network, options.parent))
  refuseParent(socket, kind, network, link)
  if (options.mtu > link.mtu) {
    throw new TsnetError(
      'invalid',
      'mtu-too-large',
      `network ${network.name}: an MTU of ${options.mtu} is more than the ${link.mtu} of its parent interface ${link.name}`,
    )
  }
  return link
}

async function ensureDummy(
  socket: RouteSocket,
  mark: string,
  kind: Kind,
  network: NetworkRecord,
  options: MacvlanOptions,
): Promise<Link> {
  const name = dummyParentName(kind, network.id)
  const present = findLink(socket, name)
  if (present?.alias === tagOf(mark, network.id)) return present
  if (present !== null)
    throw new TsnetError('conflict', 'interface-taken', `network ${network.name}: interface ${name} exists`)
  return createTagged(socket, mark, network.id, {
    name,
    kind: dummy(),
    ...(options.mtu === 0 ? {} : { mtu: options.mtu }),
  })
}

async function createVlan(
  socket: RouteSocket,
  mark: string,
  network: NetworkRecord,
  name: string,
): Promise<Link> {
  const { base, id } = parseVlan(network, name)
  const link = findLink(socket, base)
  if (link === null) {
    throw badParent(`network ${network.name}: -o parent interface was not found on the host: ${base}`)
  }
  return createTagged(socket, mark, network.id, { name, kind: vlan(id), parent: link.index })
}

/** `eth0.10` is VLAN 10 of eth0. The sentences are Docker's. */
function parseVlan(network: NetworkRecord, name: string): { base: string; id: number } {
  const [base = '', tag = '', ...rest] = name.split('.')
  const wrong = (why: string) => badParent(`network ${network.name}: ${why}`)
  if (tag === '' && rest.length === 0) {
    throw wrong(
      `the requested parent interface ${name} was not found on the host: invalid subinterface vlan name ${name}, ` +
        'example formatting is eth0.10',
    )
  }
  if (rest.length > 0) {
    throw wrong(
      `required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, instead received ${name}`,
    )
  }
  if (!/^-?\d+$/.test(tag)) {
    throw wrong(`unable to parse a valid vlan id from: ${tag} (ex. eth0.10 for vlan 10)`)
  }
  const id = Number(tag)
  if (id < 1 || id > 4094) throw wrong(`vlan id must be between 1-4094, received: ${id}`)
  return { base, id }
}

/**
 * Makes a link of the host, up. It is born under a name derived from its owner's id; name and tag then come in one request, so
 * never the one without the other. Routers beyond it are not to change the host's routes.
 */
export async function createTagged(
  socket: RouteSocket,
  mark: string,
  id: NetworkId,
  spec: LinkSpec,
  sysctls: Readonly<Record<string, string>> = {},
): Promise<Link> {
  await removeUnfinished(socket, id)
  const born = bornName(id)
  try {
    createLink(socket, { ...spec, name: born })
  } catch (error) {
    throw isNetlinkError(error, 'EOPNOTSUPP') ? unknownKind(spec.name, spec.kind.name) : error
  }
  const { index } = getLink(socket, born)
  writeSysctls(born, { 'ipv6/accept_ra': '0', ...sysctls })
  setLink(socket, index, { name: spec.name, alias: tagOf(mark, id) })
  setLink(socket, index, { up: true })
  return getLink(socket, index)
}

/** Of a link of the host, below /proc/sys/net: `ipv4/arp_filter`. A family that the kernel lacks is passed over. */
function writeSysctls(link: string, values: Readonly<Record<string, string>>): void {
  for (const [path, value] of Object.entries(values)) {
    const [family, name] = path.split('/')
    const directory = `/proc/sys/net/${family}/conf/${link}`
    if (existsSync(directory)) writeFileSync(`${directory}/${name}`, value)
  }
}

/** Kinds of links whose ports have nothing left for others: a second one to receive their frames is EBUSY. */
const takers: readonly string[] = ['bridge', 'bond', 'team', 'openvswitch']

function refuseParent(socket: RouteSocket, kind: Kind, network: NetworkRecord, link: Link): void {
  if (isLoopback(link)) {
    throw badParent(`network ${network.name}: loopback interface is not a valid ${kind} parent link`)
  }
  const master = link.master === 0 ? null : findLink(socket, link.master)
  if (master === null || !takers.includes(master.kind)) return
  throw busyParent(
    `network ${network.name}: parent interface ${link.name} is a port of ${master.kind} ${master.name}: ` +
      `give ${master.name} as parent, or another interface`,
  )
}

/** What an endpoint's link is to be. */
export interface EndpointLinkSpec {
  readonly mark: string
  readonly id: EndpointId
  readonly kind: Kind
  readonly options: MacvlanOptions
  readonly parent: Link
  /** Its name in the sandbox, and its hardware address, '' for the parent's, which is never so in mode passthru. */
  readonly interfaceName: string
  readonly mac: string
}

/** Makes an endpoint's link in the sandbox, down. A left-over one is replaced. */
export async function createEndpointLink(
  socket: RouteSocket,
  sandbox: Sandbox,
  spec: EndpointLinkSpec,
): Promise<void> {
  const { mark, id, kind, options, parent } = spec
  await removeEndpointLink(sandbox, mark, kind, id)
  const born = bornName(id)
  try {
    createLink(socket, {
      name: born,
      kind: linkKindOf(kind, options),
      parent: parent.index,
      netns: sandbox.netns,
      ...(spec.mac === '' ? {} : { address: spec.mac }),
      ...(options.mtu === 0 ? {} : { mtu: options.mtu }),
    })
  } catch (error) {
    throw explain(error, kind, parent, options)
  }
  using inside = openRouteSocket(sandbox.netns)
  setLink(inside, getLink(inside, born).index, {
    ...{ name: spec.interfaceName, alias: tagOf(mark, id) },
    // It is born with the parent's, whatever was asked for (macvlan_common_newlink); told later, the parent takes it too.
    ...(options.mode === 'passthru' && spec.mac !== parent.address && { address: spec.mac }),
  })
}

/** What the kernel means by its refusal of another link on the parent. */
export function explain(error: unknown, kind: Kind, parent: Link, options: MacvlanOptions): unknown {
  const said = `failed to create the ${kind} port`
  if (isNetlinkError(error, 'EBUSY')) {
    const other = kind === 'macvlan' ? 'ipvlan' : 'macvlan'
    return busyParent(
      `${said}: device or resource busy: parent interface ${parent.name} has ${other} links now, or belongs to another link: ` +
        `give networks of ${kind} and of ${other} parents of their own`,
    )
  }
  if (isNetlinkError(error, 'EINVAL')) {
    return busyParent(
      options.mode === 'passthru'
        ? `${said}: invalid argument: parent interface ${parent.name} is in mode passthru, in which it carries one link alone`
        : `${said}: invalid argument: parent interface ${parent.name} is no Ethernet interface, or in mode passthru`,
    )
  }
  return isNetlinkError(error, 'EOPNOTSUPP') ? unknownKind('the port', kind) : error
}

function unknownKind(name: string, kind: string): TsnetError {
  return new TsnetError(
    'unsupported',
    'no-link-kind',
    `failed to create ${name}: operation not supported: this kernel has no ${kind} links`,
  )
}

/** Removes an endpoint's link from its sandbox. Safe to repeat. */
export async function removeEndpointLink(
  sandbox: Sandbox,
  mark: string,
  kind: Kind,
  id: EndpointId,
): Promise<void> {
  using socket = openRouteSocket(sandbox.netns)
  const isOwn = (link: Link): boolean => link.alias === tagOf(mark, id) || link.name === bornName(id)
  for (const link of listLinks(socket, kind).filter(isOwn)) await removeLink(link.index, sandbox.netns)
}

/** Removes a link of the host whose creation was cut short. Safe to repeat. */
export async function removeUnfinished(socket: RouteSocket, id: NetworkId): Promise<void> {
  const link = findLink(socket, bornName(id))
  if (link !== null) await removeLink(link.index)
}

/** Removes the network's own links: shim and dummy. Safe to repeat. */
export async function removeTagged(
  socket: RouteSocket,
  mark: string,
  kind: Kind,
  id: NetworkId,
): Promise<void> {
  for (const name of [shimName(kind, id), dummyParentName(kind, id)]) {
    const link = findLink(socket, name)
    if (link?.alias === tagOf(mark, id)) await removeLink(link.index)
  }
}

/** Removes shims and dummies of a kind that carry the daemon's mark with an id that is not among `wanted`. Returns their names. */
export async function sweepTagged(
  socket: RouteSocket,
  mark: string,
  kind: Kind,
  wanted: ReadonlySet<string>,
): Promise<string[]> {
  const dummies = listLinks(socket, 'dummy').filter(({ name }) => name.startsWith(dummyParentPrefix(kind)))
  return removeUnwanted([...listLinks(socket, kind), ...dummies], mark, wanted)
}

function badParent(message: string): TsnetError {
  return new TsnetError('invalid', 'bad-parent', message)
}

function busyParent(message: string): TsnetError {
  return new TsnetError('conflict', 'parent-busy', message)
}
