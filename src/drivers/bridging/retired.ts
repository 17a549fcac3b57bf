/**
 * Bridges of networks that are gone. The kernel takes some 20 ms to free one, in which it lets nobody else change a link (the
 * rcu_barrier() in br_multicast_dev_del(), once for every bridge, also when many go in one request). So a bridge is only
 * disarmed at first: down, without addresses, under a name and a tag that belong to no network. It goes when no network or
 * endpoint has been made or removed for a moment. What a killed daemon leaves behind carries the daemon's mark: sweep finds it.
 */
import { listAddresses, removeAddress } from '../../netlink/address.ts'
import { findLink, type Link, setLink } from '../../netlink/link.ts'
import { removeLink } from '../../netlink/link-removal.ts'
import { openRouteSocket, type RouteSocket } from '../../netlink/socket.ts'
import type { DriverContext } from '../driver.ts'
import { tagOf } from '../link-tags.ts'

/** Milliseconds without a change after which bridges go. */
const quietTime = 150

/** As many may wait for quiet; then they go nevertheless. */
const mostWaiting = 64

export class RetiredBridges {
  /** By their indexes. */
  readonly #waiting = new Map<number, Pick<DriverContext, 'mark' | 'log'>>()
  #timer: NodeJS.Timeout | null = null
  #removal: Promise<void> = Promise.resolve()

  /** Takes name, tag, addresses and routes from a bridge that carries the daemon's mark. */
  retire(context: Pick<DriverContext, 'mark' | 'log'>, socket: RouteSocket, link: Link): void {
    setLink(socket, link.index, { up: false })
    for (const { cidr } of listAddresses(socket, link.index)) removeAddress(socket, link.index, cidr)
    setLink(socket, link.index, { name: `gone${link.index}`, alias: tagOf(context.mark, 'retired') })
    this.#waiting.set(link.index, context)
    this.defer()
  }

  /** Something is made or removed: bridges go later. */
  defer(): void {
    if (this.#waiting.size === 0) return
    clearTimeout(this.#timer ?? undefined)
    const delay = this.#waiting.size > mostWaiting ? 0 : quietTime
    this.#timer = setTimeout(() => void this.#removeNext(), delay)
    // When the daemon ends, `settle` has been called or the next daemon sweeps.
    this.#timer.unref()
  }

  /** Resolves when all of them are gone. */
  async settle(): Promise<void> {
    clearTimeout(this.#timer ?? undefined)
    while (this.#waiting.size > 0) await this.#removeOne()
    await this.#removal
  }

  async #removeNext(): Promise<void> {
    await this.#removeOne()
    this.defer()
  }

  /** One at a time: links can be changed in between. */
  #removeOne(): Promise<void> {
    const [next] = this.#waiting
    if (next === undefined) return this.#removal
    const [index, { mark, log }] = next
    this.#waiting.delete(index)
    this.#removal = this.#removal
      .then(() => removeRetired(index, mark))
      .catch((error: unknown) => log.warn({ err: error, link: index }, 'a bridge of no network stays behind'))
    return this.#removal
  }
}

/** A bridge to which somebody has given another tag meanwhile is none of ours any more. */
async function removeRetired(index: number, mark: string): Promise<void> {
  using socket = openRouteSocket()
  const link = findLink(socket, index)
  if (link?.kind === 'bridge' && link.alias === tagOf(mark, 'retired')) await removeLink(index)
}
