import { isMainThread } from 'node:worker_threads'
import { RTM_DELLINK } from '../sys/constants/rtnetlink.ts'
import type { Fd } from '../sys/fd.ts'
import { isNetlinkError } from './error.ts'
import { watchEvents } from './events.ts'
import { ifinfomsg } from './link.ts'
import { openRouteSocket } from './socket.ts'

/**
 * Removes a link of the thread's namespace, or of `netns`, and with it a veth's other end; one that is gone already is no
 * error. The kernel answers only after it has freed the link, which takes it up to 30 ms of waiting for other
 * processors (net/core/dev.c, netdev_run_todo), but tells everybody as soon as the link, its name, addresses and routes
 * are gone: that is when this resolves. A worker waits to the end: it may be ended at any time, which no watch outlives (sendNetlinkInBackground).
 */
export async function removeLink(index: number, netns?: Fd): Promise<void> {
  if (!isMainThread) return removeWhole(index, netns)
  const gone = Promise.withResolvers<void>()
  using _watch = watchEvents((event) => {
    if (event.type === 'link-removed' && event.link.index === index) gone.resolve()
  }, netns)
  await Promise.race([gone.promise, removeWhole(index, netns)])
}

/** In the background, on a socket of its own: it may outlive the caller's. */
async function removeWhole(index: number, netns?: Fd): Promise<void> {
  using socket = openRouteSocket(netns)
  try {
    const body = ifinfomsg.encode({ index })
    await socket.actInBackground({ type: RTM_DELLINK, flags: 0, body, subject: `link ${index}` })
  } catch (error) {
    if (!isNetlinkError(error, 'ENODEV')) throw error
  }
}
