/** What somebody else does to the links of pods' networks: the kernel tells, and they are made good a moment later. */
import { isDisturbed, ownerOf } from '../../drivers/link-tags.ts'
import { type NetlinkEvent, watchEvents } from '../../netlink/events.ts'
import type { Link } from '../../netlink/link.ts'
import { parseCidr } from '../../values/cidr.ts'
import type { PodParts } from './parts.ts'

/** Milliseconds from the first sign to the comparison: changes of tsnet's own have come to an end by then. */
const patience = 200

/** Networks and pods to look at, by their ids; null for all. */
export type Suspects = ReadonlySet<string> | null

/** Calls `repair` when something looks wrong, until disposed of. */
export function watchPodLinks(parts: PodParts, repair: (suspects: Suspects) => Promise<void>): Disposable {
  let suspects = new Set<string>()
  let isAll = false
  let timer: NodeJS.Timeout | null = null
  const look = (): void => {
    const found = isAll ? null : suspects
    suspects = new Set()
    isAll = false
    timer = null
    void repair(found)
  }
  const watch = watchEvents((event) => {
    const found = suspectsOf(parts, event)
    if (event.type !== 'lost' && found.length === 0) return
    isAll ||= event.type === 'lost'
    for (const id of found) suspects.add(id)
    timer ??= setTimeout(look, patience).unref()
  })
  return {
    [Symbol.dispose]() {
      watch[Symbol.dispose]()
      clearTimeout(timer ?? undefined)
    },
  }
}

function suspectsOf(parts: PodParts, event: NetlinkEvent): string[] {
  if (event.type === 'link') return isDisturbed(event.link) ? ownersOf(parts, event.link) : []
  if (event.type === 'link-removed') return ownersOf(parts, event.link)
  if (event.type !== 'address-removed') return []
  const { address } = parseCidr(event.address.cidr)
  return [...parts.store.podNetworks.values()]
    .filter(({ network: { pools } }) => pools.some(({ gateway }) => gateway === address))
    .map(({ network }) => network.id)
}

/** A bridge that the user made carries no tag: it is known by its rules. */
function ownersOf({ mark, store, rules }: PodParts, { alias, kind, name }: Link): string[] {
  const owner = ownerOf(mark, alias)
  if (owner !== null) return [owner]
  if (kind !== 'bridge') return []
  const isIts = (id: string): boolean =>
    rules.get(id)?.some((rule) => rule.kind === 'bridge' && rule.interface === name) ?? false
  return [...store.podNetworks.values()].map(({ network }) => network.id as string).filter(isIts)
}
