/**
 * Which networks stand on which parent. Parents are shared, by networks of both kinds: what is exclusive is refused, and a VLAN
 * that was made for the first of its users goes with the last.
 */
import { TsnetError } from '../../errors.ts'
import { listLinks, setLink } from '../../netlink/link.ts'
import { removeLink } from '../../netlink/link-removal.ts'
import type { RouteSocket } from '../../netlink/socket.ts'
import type { NetworkRecord } from '../../store/records.ts'
import type { NetworkId } from '../../values/id.ts'
import { dummyParentName } from '../../values/interface-name.ts'
import { tagOf } from '../link-tags.ts'
import type { Kind, MacvlanOptions } from './options.ts'

interface User {
  readonly id: NetworkId
  readonly name: string
  readonly kind: Kind
  readonly parent: string
  readonly mode: MacvlanOptions['mode']
}

export class ParentUsers {
  readonly #users = new Map<NetworkId, User>()

  /** Throws kind 'conflict' where Docker refuses a second network on the parent. Safe to repeat. */
  add(kind: Kind, { id, name }: NetworkRecord, { parent, mode }: MacvlanOptions): void {
    const user = { id, name, kind, parent, mode }
    for (const other of this.#users.values()) {
      if (other.id !== id && other.kind === kind && parent !== '' && other.parent === parent) {
        refuseSharing(user, other)
      }
    }
    this.#users.set(id, user)
  }

  remove(id: NetworkId): void {
    this.#users.delete(id)
  }

  /** Forgets the networks of a kind that are not among `networks`. */
  keep(kind: Kind, networks: readonly NetworkRecord[]): void {
    for (const { id, kind: present } of this.#users.values()) {
      if (present === kind && !networks.some((network) => network.id === id)) this.#users.delete(id)
    }
  }

  /** A network that stands on the parent, or undefined. */
  find(parent: string): NetworkId | undefined {
    return this.#users.values().find((user) => user.parent === parent)?.id
  }

  /** The networks of a kind that stand on a link of this name, or on a VLAN of it. */
  on(kind: Kind, link: string): NetworkId[] {
    const stands = ({ id, parent }: User): boolean =>
      link === (parent || dummyParentName(kind, id)) || parent.startsWith(`${link}.`)
    return [...this.#users.values()].filter((user) => user.kind === kind && stands(user)).map(({ id }) => id)
  }
}

function refuseSharing(user: User, other: User): void {
  if (user.kind === 'ipvlan') {
    // All ipvlan links of a parent have the mode and flag of the last one made.
    throw taken(`network ${other.name} is already using parent interface ${user.parent}`)
  }
  if (user.mode === 'passthru') {
    throw taken(
      `cannot use mode passthru, macvlan network ${other.name} is already using parent interface ${user.parent}`,
    )
  }
  if (other.mode === 'passthru') {
    throw taken(
      `macvlan network ${other.name} is already using parent interface ${user.parent} in mode passthru`,
    )
  }
}

function taken(message: string): TsnetError {
  return new TsnetError('conflict', 'parent-in-use', message)
}

/** Removes VLANs of the daemon's that nobody stands on, and tags those that outlive their first user with another's id. */
export async function settleVlans(socket: RouteSocket, mark: string, users: ParentUsers): Promise<string[]> {
  const removed: string[] = []
  for (const link of listLinks(socket, 'vlan')) {
    if (!link.alias.startsWith(`${mark}:`)) continue
    const user = users.find(link.name)
    if (user === undefined) {
      await removeLink(link.index)
      removed.push(link.name)
    } else if (link.alias !== tagOf(mark, user)) setLink(socket, link.index, { alias: tagOf(mark, user) })
  }
  return removed
}
