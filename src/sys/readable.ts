/** Watches one socket from the event loop, by a handle of libuv's. */
import type { Fd } from './fd.ts'
import { koffi } from './libc.ts'

export interface ReadableWatch {
  stop(): void
  unref(): void
}

const options = { readable: true }

/**
 * Calls `onReadable` from the event loop whenever there is something to read, an error of the socket's too, and keeps the loop alive
 * unless `unref`ed. Stop it before the socket is closed.
 */
export function watchReadable(socket: Fd, onReadable: () => void): ReadableWatch {
  let isStopped = false

  // koffi calls back outside of Node's turns: promises settled there would wait for the next one.
  const tell = (status: unknown): void => void setImmediate(look, Number(status))

  function look(status: number): void {
    if (isStopped) return
    onReadable()
    // libuv watches a socket with an error no longer (uv__poll_io() in its src/unix/poll.c); the reader has taken the error now
    if (status < 0 && !isStopped) handle.start(options, tell)
  }

  const handle = koffi.node.poll(socket.number, options, tell)
  return {
    stop: () => {
      isStopped = true
      handle.stop()
      handle.close()
    },
    unref: () => handle.unref(),
  }
}
