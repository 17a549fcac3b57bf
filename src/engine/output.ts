/** What a container's program writes, and what is typed for it: its log, and its standard streams as they are. */
import { Duplex, Readable } from 'node:stream'
import type { ContainerRecord } from '../store/records.ts'
import { readLog } from '../supervisor/logs.ts'
import { parseDetachKeys } from './detach-keys.ts'
import type { AttachOptions, LogOptions } from './engine.ts'
import type { Parts } from './parts.ts'
import { logPath } from './start.ts'
import { untilStopped } from './stop.ts'

export function logs(
  parts: Parts,
  container: ContainerRecord,
  options: LogOptions,
  signal: AbortSignal,
): Readable {
  const ending =
    options.follow && container.state.status === 'running' ? untilStopped(parts, container.id, signal) : null
  return readLog(logPath(parts, container.id), { ...options, tty: container.spec.tty }, ending, signal)
}

export async function attach(
  parts: Parts,
  container: ContainerRecord,
  options: AttachOptions,
): Promise<Duplex> {
  const { stdin, stdout, stderr } = options
  const { tty } = container.spec
  const past = options.logs
    ? readLog(
        logPath(parts, container.id),
        { ...everything, stdout, stderr, tty },
        null,
        new AbortController().signal,
      )
    : null
  if (!options.stream) return Duplex.from(past ?? [])
  const live = await parts.supervisor.attach({
    stream: container.id,
    stdin: stdin && container.spec.openStdin,
    stdout,
    stderr,
    tty,
    detachKeys: parseDetachKeys(options.detachKeys),
  })
  parts.events.emit('container', 'attach', container.id, { name: container.name })
  return past === null ? live : replayThenLive(past, live)
}

const everything = { timestamps: false, since: 0, until: 0, tail: -1 }

/** First the log, then what the program writes from now on; input goes to the program at once. */
export function replayThenLive(past: Readable, live: Duplex): Duplex {
  const replay = async function* (): AsyncGenerator<Buffer> {
    yield* past as AsyncIterable<Buffer>
    yield* live as AsyncIterable<Buffer>
  }
  const halves = { readable: Readable.from(replay()), writable: live }
  // Node takes a pair of its own streams, which the type of `from` does not know.
  return Duplex.from(halves as unknown as NodeJS.ReadWriteStream)
}
