/** Questions to servers from a socket that was opened in some namespace. */
import { Socket, type SocketConstructorOpts } from 'node:net'

/** Milliseconds between two looks at how long somebody has waited. */
const step = 20

/**
 * Calls `give` after so many milliseconds; time in which the machine did not let this process run does not count, nor the answers'
 * that came in it. Returns what stops it.
 */
export function giveUpAfter(patience: number, give: () => void): () => void {
  let left = patience / step
  const timer = setInterval(() => {
    left -= 1
    if (left > 0) return
    clearInterval(timer)
    give()
  }, step)
  return () => clearInterval(timer)
}

/** What is read first by TCP, '' for nothing in time. `fd` is a bound socket, which is closed. Throws what the kernel says. */
export async function readTcp(fd: number, host: string, port: number, patience: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  // not yet connected: nothing is to be read
  const socket = new Socket({ fd, manualStart: true } as SocketConstructorOpts)
  const stop = giveUpAfter(patience, () => resolve(''))
  socket.on('data', (data) => resolve(data.toString()))
  socket.on('error', reject)
  socket.on('close', () => resolve(''))
  socket.connect({ host, port })
  try {
    return await promise
  } finally {
    stop()
    socket.destroy()
  }
}
