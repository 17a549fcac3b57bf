/** The json-file log: one JSON object a line, with the text, its stream and its time, as Docker writes it. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { StringDecoder } from 'node:string_decoder'
import type { OutputStream } from './frames.ts'

/** A longer line is cut in pieces, of which only the last ends with a newline. */
const longestLine = 16_384

export class LogFile {
  readonly #fd: number
  readonly #partial: Record<OutputStream, string> = { stdout: '', stderr: '' }
  readonly #decoders: Record<OutputStream, StringDecoder> = {
    stdout: new StringDecoder('utf8'),
    stderr: new StringDecoder('utf8'),
  }

  constructor(path: string) {
    this.#fd = openSync(path, 'a', 0o640)
  }

  write(stream: OutputStream, chunk: Buffer): void {
    const text = this.#partial[stream] + this.#decoders[stream].write(chunk)
    let entries = ''
    let start = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      entries += entry(stream, text.slice(start, end + 1))
      start = end + 1
    }
    for (; text.length - start >= longestLine; start += longestLine) {
      entries += entry(stream, text.slice(start, start + longestLine))
    }
    this.#partial[stream] = text.slice(start)
    this.#append(entries)
  }

  /** Writes the unfinished lines and closes the file. */
  close(): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      if (this.#partial[stream] !== '') this.#append(entry(stream, this.#partial[stream]))
    }
    closeSync(this.#fd)
  }

  /** A full disk must not stop the program whose output this is: what cannot be written is lost. */
  #append(entries: string): void {
    if (entries === '') return
    try {
      writeSync(this.#fd, entries)
    } catch (error) {
      process.stderr.write(`tsnet supervisor: container log: ${(error as Error).message}\n`)
    }
  }
}

function entry(stream: OutputStream, log: string): string {
  return `${JSON.stringify({ log, stream, time: new Date().toISOString() })}\n`
}
