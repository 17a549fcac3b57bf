/** poll(2) off the main thread, for descriptors that libuv cannot watch, such as pidfds. */
import type { Fd } from './fd.ts'
import { libc } from './libc.ts'

const POLLIN = 1
/** sizeof(struct pollfd): int fd, short events, short revents */
const entrySize = 8

/** Resolves with those of `fds` that have become readable. Holds one thread of libuv's pool until then. */
export function waitReadable(fds: readonly Fd[]): Promise<Fd[]> {
  const poll = libc.func('int poll(void *fds, unsigned long count, int timeout)')
  const entries = Buffer.alloc(fds.length * entrySize)
  for (const [index, fd] of fds.entries()) {
    entries.writeInt32LE(fd.number, index * entrySize)
    entries.writeInt16LE(POLLIN, index * entrySize + 4)
  }
  return new Promise((resolve, reject) => {
    poll.async(entries, fds.length, -1, (error: Error | null) => {
      if (error !== null) reject(error)
      else resolve(fds.filter((_, index) => entries.readInt16LE(index * entrySize + 6) !== 0))
    })
  })
}
