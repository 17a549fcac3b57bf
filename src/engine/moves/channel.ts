/**
 * What two hosts tell each other while a container moves: messages, and streams of bytes among them, on one connection.
 *
 *   1 byte   4 bytes, big-endian   as many bytes
 *   M        length                JSON
 *   B        0                     a stream begins
 *   D        length                its bytes
 *   E        0                     all of it has been sent
 *   P        0                     the other one is there
 */
import { once } from 'node:events'
import { PassThrough, type Readable } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { type ErrorKind, errorKind, errorMessage, TsnetError } from '../../errors.ts'

const kinds = { message: 'M', begin: 'B', data: 'D', end: 'E', present: 'P' } as const
const headerSize = 5
/** bytes; a container's record is the longest message, a stream's piece is what was read at once */
const longest = 64 << 20
/** milliseconds */
const beat = 2000
const patience = 20_000

/** What went wrong on the other host. */
export interface Failure {
  readonly kind: ErrorKind
  readonly code: string
  readonly message: string
}

export class MoveChannel implements Disposable {
  readonly #socket: TLSSocket
  readonly #peer: string
  readonly #received: unknown[] = []
  readonly #waiting: PromiseWithResolvers<unknown>[] = []
  readonly #ended = new AbortController()
  readonly #beat: NodeJS.Timeout
  #stream: PassThrough | null = null
  #heard = { bytes: 0, at: performance.now() }

  /** `peer` is the other host's name. */
  constructor(socket: TLSSocket, peer: string) {
    this.#socket = socket
    this.#peer = peer
    this.#beat = setInterval(() => this.#look(), beat)
    socket.on('error', () => {})
    void this.#read()
  }

  /** Aborts when there is no connection any more. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  send(message: object): void {
    this.#write(kinds.message, Buffer.from(JSON.stringify(message)))
  }

  sendFailure(error: unknown): void {
    const code = error instanceof TsnetError ? error.code : 'internal'
    const failure: Failure = { kind: errorKind(error), code, message: errorMessage(error) }
    this.send({ failure })
  }

  /** Sends all of a stream. Throws what that throws, and kind 'unavailable' when the other host is gone. */
  async sendStream(source: Readable, onBytes: (sent: number) => void): Promise<void> {
    let sent = 0
    // What it throws is thrown below; one that is given up has an error as well.
    source.on('error', () => {})
    this.#write(kinds.begin, Buffer.alloc(0))
    for await (const bytes of source as AsyncIterable<Buffer>) {
      this.ended.throwIfAborted()
      if (!this.#write(kinds.data, bytes)) await this.#drained()
      sent += bytes.length
      onBytes(sent)
    }
    this.#write(kinds.end, Buffer.alloc(0))
  }

  /** The next message. Throws what the other host says went wrong, and kind 'unavailable' when it is gone. */
  async receive<T>(): Promise<T> {
    const message = await this.#next()
    const { failure } = message as { failure?: Failure }
    if (failure === undefined) return message as T
    throw new TsnetError(failure.kind, failure.code, failure.message)
  }

  /** The stream that is announced next. It fails where it breaks off. */
  async receiveStream(): Promise<Readable> {
    const stream = await this.#next()
    if (stream instanceof PassThrough) return stream
    throw new TsnetError('internal', 'bad-move', `host ${this.#peer} sends no stream where one is expected`)
  }

  #next(): Promise<unknown> {
    if (this.#received.length > 0) return Promise.resolve(this.#received.shift())
    if (this.ended.aborted) return Promise.reject(this.ended.reason)
    const waiter = Promise.withResolvers<unknown>()
    this.#waiting.push(waiter)
    return waiter.promise
  }

  async #read(): Promise<void> {
    let rest: Buffer = Buffer.alloc(0)
    try {
      for await (const bytes of this.#socket as AsyncIterable<Buffer>) {
        rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
        rest = await this.#takeFrames(rest)
      }
      this.#end('has ended the connection')
    } catch (error) {
      this.#end(errorMessage(error))
    }
  }

  /** Returns what is not yet a whole one. */
  async #takeFrames(bytes: Buffer): Promise<Buffer> {
    let rest = bytes
    while (rest.length >= headerSize) {
      const length = rest.readUInt32BE(1)
      if (length > longest) throw new Error('sends what cannot be read')
      if (rest.length < headerSize + length) break
      const kind = String.fromCharCode(rest[0]!)
      await this.#take(kind, rest.subarray(headerSize, headerSize + length))
      rest = rest.subarray(headerSize + length)
    }
    return rest
  }

  async #take(kind: string, content: Buffer): Promise<void> {
    if (kind === kinds.message) this.#hand(JSON.parse(content.toString()))
    else if (kind === kinds.begin) {
      this.#stream = new PassThrough({ highWaterMark: 1 << 20 })
      // Who reads it hears of it there.
      this.#stream.on('error', () => {})
      this.#hand(this.#stream)
    } else if (kind === kinds.end) this.#stream?.end()
    else if (kind === kinds.data) await this.#pass(content)
  }

  /** Waits while its reader takes no more. What nobody wants is let go. */
  async #pass(bytes: Buffer): Promise<void> {
    const stream = this.#stream
    if (stream === null || stream.destroyed || stream.write(bytes)) return
    await Promise.race([once(stream, 'drain'), once(stream, 'close')])
  }

  #hand(item: unknown): void {
    const waiter = this.#waiting.shift()
    if (waiter === undefined) this.#received.push(item)
    else waiter.resolve(item)
  }

  /** false when the connection has enough for now. */
  #write(kind: string, content: Buffer): boolean {
    if (this.#socket.writableEnded || this.#socket.destroyed) return true
    const header = Buffer.alloc(headerSize)
    header.write(kind, 'latin1')
    header.writeUInt32BE(content.length, 1)
    this.#socket.write(header)
    return this.#socket.write(content)
  }

  async #drained(): Promise<void> {
    try {
      await once(this.#socket, 'drain', { signal: this.ended })
    } catch {
      this.ended.throwIfAborted()
    }
  }

  /** A host that is cut off says nothing; one that waits for its disk leaves what has come where it is. */
  #look(): void {
    this.#write(kinds.present, Buffer.alloc(0))
    const { bytesRead, readableLength } = this.#socket
    if (bytesRead !== this.#heard.bytes || readableLength > 0 || this.#stream?.writableNeedDrain)
      this.#heard = { bytes: bytesRead, at: performance.now() }
    if (performance.now() - this.#heard.at > patience) this.#end(`has said nothing for ${patience / 1000} s`)
  }

  #end(why: string): void {
    if (this.ended.aborted) return
    const lost = new TsnetError('unavailable', 'move-interrupted', `host ${this.#peer} is lost: it ${why}`)
    clearInterval(this.#beat)
    this.#ended.abort(lost)
    this.#stream?.destroy(lost)
    this.#socket.destroy()
    for (const waiter of this.#waiting) waiter.reject(lost)
  }

  /** What was sent still arrives. */
  [Symbol.dispose](): void {
    clearInterval(this.#beat)
    this.#socket.end()
  }
}
