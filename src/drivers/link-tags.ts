/** By what links of the daemon's are found again without the store. */
import { isUp, type Link } from '../netlink/link.ts'
import { removeLink } from '../netlink/link-removal.ts'
import type { EndpointId, NetworkId } from '../values/id.ts'

/** The ifalias of a link that belongs to `owner`; `mark` is the daemon's. */
export function tagOf(mark: string, owner: NetworkId | EndpointId | 'retired' | 'tunnel'): string {
  return `${mark}:${owner}`
}

/** Whose a link is by its ifalias, null for one of nobody's; a driver's own mark begins with the daemon's and a slash. */
export function ownerOf(mark: string, alias: string): string | null {
  const [tag = '', id = ''] = alias.split(':')
  return tag === mark || tag.startsWith(`${mark}/`) ? id : null
}

/** Whether somebody else must have changed a link that is the daemon's: it is down, or a port without its bridge. */
export function isDisturbed(link: Link): boolean {
  return !isUp(link) || (link.kind === 'veth' && link.master === 0)
}

/** Removes those of `links` that carry the daemon's mark with an id that is not among `wanted`. Returns their names. */
export async function removeUnwanted(
  links: readonly Link[],
  mark: string,
  wanted: ReadonlySet<string>,
): Promise<string[]> {
  const removed: string[] = []
  for (const link of links) {
    const [owner, id = ''] = link.alias.split(':')
    if (owner !== mark || wanted.has(id)) continue
    await removeLink(link.index)
    removed.push(link.name)
  }
  return removed
}
