import { openPacketSocket, sendFrameSoon } from '../../sys/packet-socket.ts'
import { announcementOf } from '../../values/announcement.ts'
import type { EntryChange } from './peer-table.ts'

/**
 * Tells the containers on a bridge that an address which they may know is at another hardware address now, as the endpoint itself tells
 * those on its own host. The bridge keeps such frames from the other hosts.
 */
export function announceMoved(bridge: number, changes: readonly EntryChange[]): void {
  const frames = changes.flatMap((change) =>
    change.kind === 'neighbour' && change.mac !== null && change.moved
      ? [announcementOf(hostCidr(change.address), change.mac)]
      : [],
  )
  if (frames.length === 0) return
  const socket = openPacketSocket()
  const sent = frames.map(({ protocol, frame }) => sendFrameSoon(socket, bridge, protocol, frame))
  // A bridge that is gone has nobody to tell.
  void Promise.allSettled(sent).then(() => socket.closeSoon())
}

function hostCidr(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`
}
