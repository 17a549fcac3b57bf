/** The json-file log: one JSON object a line, with the text, its stream and its time, as Docker writes it. */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'
import type { OutputStream } from './frames.ts'

/** bytes; a longer line is cut in pieces, of which only the last ends with a newline */
const longestPiece = 16_384

const newline = 10
const nothing = Buffer.alloc(0)

export class LogFile {
  readonly #fd: number
  /** Lines that have not ended yet. */
  readonly #partial: Record<OutputStream, Buffer> = { stdout: nothing, stderr: nothing }
  /** Whether the file ends within an entry, which a full disk or the death of its writer has cut off. */
  #isTorn: boolean

  constructor(path: string) {
    this.#fd = openSync(path, 'a+', 0o640)
    this.#isTorn = endsTorn(this.#fd)
  }

  write(stream: OutputStream, chunk: Buffer): void {
    let rest = this.#partial[stream].length === 0 ? chunk : Buffer.concat([this.#partial[stream], chunk])
    // One for all that was read at once: to make a text of it takes longer than all else that is done for a short line.
    const time = new Date().toISOString()
    let entries = ''
    for (let length = pieceLength(rest); length > 0; length = pieceLength(rest)) {
      entries += entry(stream, rest.subarray(0, length), time)
      rest = rest.subarray(length)
    }
    // A copy: the chunk that it comes from is large.
    this.#partial[stream] = rest.length === 0 ? nothing : Buffer.from(rest)
    this.#append(entries)
  }

  /** Writes the unfinished lines: nothing more is to come. */
  flush(): void {
    const time = new Date().toISOString()
    for (const stream of ['stdout', 'stderr'] as const) {
      if (this.#partial[stream].length > 0) this.#append(entry(stream, this.#partial[stream], time))
      this.#partial[stream] = nothing
    }
  }

  close(): void {
    this.flush()
    closeSync(this.#fd)
  }

  /** A full disk must not stop the program whose output this is: what cannot be written is lost. */
  #append(entries: string): void {
    if (entries === '') return
    // What follows is not to be lost with it.
    const bytes = Buffer.from(this.#isTorn ? `\n${entries}` : entries)
    try {
      for (let at = 0; at < bytes.length; ) {
        at += writeSync(this.#fd, bytes, at)
        this.#isTorn = bytes[at - 1] !== newline
      }
    } catch (error) {
      process.stderr.write(`tsnet supervisor: container log: ${(error as Error).message}\n`)
    }
  }
}

/** Bytes of the first line with its newline, or of the first piece of a long one; 0 while it may yet go on. */
function pieceLength(bytes: Buffer): number {
  const end = bytes.indexOf(newline)
  if (end >= 0 && end < longestPiece) return end + 1
  // One byte more tells whether a character ends there.
  if (bytes.length <= longestPiece) return 0
  return wholeCharacters(bytes, longestPiece)
}

/** `end`, or up to three bytes before it, so that no UTF-8 character is cut in two. */
function wholeCharacters(bytes: Buffer, end: number): number {
  for (let start = end; start > end - 4; start--) {
    if (((bytes[start] ?? 0) & 0xc0) !== 0x80) return start
  }
  return end
}

function entry(stream: OutputStream, log: Buffer, time: string): string {
  return `${JSON.stringify({ log: log.toString('utf8'), stream, time })}\n`
}

function endsTorn(fd: number): boolean {
  const { size } = fstatSync(fd)
  const last = Buffer.of(newline)
  if (size > 0) readSync(fd, last, 0, 1, size - 1)
  return last[0] !== newline
}
