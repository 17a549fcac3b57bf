/** Standard streams on a connection that was taken over from HTTP. */
import type { Duplex, Readable } from 'node:stream'
import { createDemultiplexer } from './frames.ts'
import { createDetachFilter, enterRawMode } from './terminal.ts'

/** What is on the other end of the connection. */
export interface StreamOptions {
  readonly stdin: boolean
  /** the container has a terminal: one raw stream instead of frames */
  readonly tty: boolean
  readonly detachKeys: readonly number[]
}

/** Joins the connection and the client's own streams. Resolves when the daemon has closed it, or the user has left. */
export async function copyStreams(
  connection: Duplex,
  options: StreamOptions,
): Promise<'closed' | 'detached'> {
  using _raw = options.stdin && options.tty ? enterRawMode() : undefined
  const closed = copyOutput(connection, options.tty).then(() => 'closed' as const)
  if (!options.stdin) return await closed
  const detached = copyInput(connection, options)
  const end = await Promise.race([closed, detached])
  process.stdin.pause()
  connection.destroy()
  return end
}

/** Writes what comes to standard output and error. Resolves at the end, whatever ended it. */
export function copyOutput(source: Readable, tty: boolean): Promise<void> {
  const full = new Set<NodeJS.WriteStream>()
  const write = (target: NodeJS.WriteStream, chunk: Buffer) => {
    if (target.write(chunk) || full.has(target)) return
    full.add(target)
    source.pause()
    target.once('drain', () => {
      full.delete(target)
      if (full.size === 0) source.resume()
    })
  }
  const demultiplex = createDemultiplexer((stream, chunk) =>
    write(stream === 1 ? process.stdout : process.stderr, chunk),
  )
  return new Promise((resolve, reject) => {
    source.on('data', (chunk: Buffer) => {
      try {
        if (tty) write(process.stdout, chunk)
        else demultiplex(chunk)
      } catch (error) {
        reject(error)
      }
    })
    source.on('close', resolve)
    source.on('end', resolve)
    // A reset connection is an end like any other: the exit status is asked for separately.
    source.on('error', () => resolve())
  })
}

/** Never resolves unless the detach keys are typed. The end of input is passed on as the end of the connection's half. */
function copyInput(connection: Duplex, { tty, detachKeys }: StreamOptions): Promise<'detached'> {
  const filter = tty
    ? createDetachFilter(detachKeys)
    : (chunk: Buffer) => ({ passed: chunk, isDetached: false })
  return new Promise((resolve) => {
    process.stdin.on('data', (chunk: Buffer) => {
      const { passed, isDetached } = filter(chunk)
      const isRoom = passed.length === 0 || connection.write(passed)
      if (isDetached) return resolve('detached')
      if (isRoom) return
      process.stdin.pause()
      connection.once('drain', () => process.stdin.resume())
    })
    process.stdin.on('end', () => connection.end())
    process.stdin.on('error', () => connection.end())
  })
}
