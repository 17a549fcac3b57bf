/** Reads a json-file log: the last lines of it, a span of time, and what is appended from now on. */
import { type FSWatcher, watch } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { encodeFrame, type OutputStream } from './frames.ts'
import { LineSplitter } from './lines.ts'

export interface LogQuery {
  readonly stdout: boolean
  readonly stderr: boolean
  readonly timestamps: boolean
  /** seconds since the epoch; 0 for none */
  readonly since: number
  readonly until: number
  /** lines from the end; -1 for all */
  readonly tail: number
  /** Raw bytes instead of frames. */
  readonly tty: boolean
}

interface LogEntry {
  readonly log: string
  readonly stream: OutputStream
  readonly time: string
}

/** Until when to wait for more: null for not at all, else a promise that resolves when nothing more will be written. */
export type Ending = Promise<unknown> | null

/** A stream of the matching entries. A log that does not exist is empty. */
export function readLog(path: string, query: LogQuery, ending: Ending, signal: AbortSignal): Readable {
  return Readable.from(render(path, query, ending, signal), { objectMode: false })
}

async function* render(
  path: string,
  query: LogQuery,
  ending: Ending,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  for await (const line of lines(path, query.tail, ending, signal)) {
    const entry = parseEntry(line)
    if (entry === null) continue
    const time = Date.parse(entry.time) / 1000
    if (!query[entry.stream] || (query.since > 0 && time < query.since)) continue
    if (query.until > 0 && time > query.until) return
    const payload = Buffer.from(query.timestamps ? `${entry.time} ${entry.log}` : entry.log)
    yield query.tty ? payload : encodeFrame(entry.stream, payload)
  }
}

/** null for a line that a full disk has cut off. */
function parseEntry(line: string): LogEntry | null {
  try {
    return JSON.parse(line) as LogEntry
  } catch {
    return null
  }
}

async function* lines(
  path: string,
  tail: number,
  ending: Ending,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let file: FileHandle
  try {
    file = await open(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && ending === null) return
    throw error
  }
  await using handle = file
  const splitter = new LineSplitter()
  let position = tail < 0 ? 0 : await tailStart(handle, tail)
  const readOn = async function* (): AsyncGenerator<string> {
    const chunk = Buffer.alloc(65_536)
    for (;;) {
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, position)
      if (bytesRead === 0) return
      position += bytesRead
      yield* splitter.push(Buffer.from(chunk.subarray(0, bytesRead)))
    }
  }
  if (ending === null) {
    yield* readOn()
    return
  }
  for await (const _ of changes(path, ending, signal)) yield* readOn()
}

/** The position at which the last `count` lines begin, found from the end backwards. */
async function tailStart(file: FileHandle, count: number): Promise<number> {
  let position = (await file.stat()).size
  // The newline that ends the last line is not one that begins another.
  let left = count + 1
  const block = Buffer.alloc(65_536)
  while (position > 0) {
    const length = Math.min(block.length, position)
    await file.read(block, 0, length, position - length)
    for (let index = length - 1; index >= 0; index--) {
      if (block[index] === 10 && --left === 0) return position - length + index + 1
    }
    position -= length
  }
  return 0
}

/** Yields at once, at each change of the file (inotify(7)), and once more at the end. */
async function* changes(path: string, ending: Promise<unknown>, signal: AbortSignal): AsyncGenerator<void> {
  let wake = Promise.withResolvers<void>()
  let over = signal.aborted
  const finish = (): void => {
    over = true
    wake.resolve()
  }
  const watcher: FSWatcher = watch(path, { persistent: false }, () => wake.resolve())
  signal.addEventListener('abort', finish)
  ending.then(finish, finish)
  try {
    while (!over) {
      wake = Promise.withResolvers<void>()
      yield
      if (!over) await wake.promise
    }
    if (!signal.aborted) yield
  } finally {
    watcher.close()
    signal.removeEventListener('abort', finish)
  }
}
