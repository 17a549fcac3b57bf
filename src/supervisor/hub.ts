/**
 * Where a program's bytes meet: its FIFOs or terminal on one side, the log and any number of attached clients on the other.
 * A hub may be attached to before its program starts, so that no byte is missed.
 */
import type { Duplex } from 'node:stream'
import { DetachKeys } from './detach-keys.ts'
import { encodeFrame, type OutputStream } from './frames.ts'
import { LogFile } from './log-file.ts'
import type { StdioSpec, StreamRequest } from './protocol.ts'
import type { Stdio } from './stdio.ts'

interface Client {
  readonly connection: Duplex
  readonly request: StreamRequest
}

export class Hub {
  readonly #clients = new Set<Client>()
  #stdio: Stdio | null = null
  #spec: StdioSpec | null = null
  #log: LogFile | null = null
  /** Clients for whose sake the program waits, and how to stop waiting for each. */
  readonly #slow = new Map<Client, () => void>()
  #finished = false
  #ended = false

  /** Joins the hub to a program's descriptors. */
  open(spec: StdioSpec, stdio: Stdio): void {
    this.#spec = spec
    this.#stdio = stdio
    if (spec.log !== '') this.#log = new LogFile(spec.log)
    for (const [stream, source] of stdio.outputs) {
      source.on('data', (chunk: Buffer) => this.#output(stream, chunk))
    }
    for (const client of this.#clients) client.connection.resume()
  }

  /** A client's connection takes output and gives input from now on. */
  attach(connection: Duplex, request: StreamRequest, head: Buffer): void {
    if (this.#ended) {
      connection.end()
      return
    }
    const client: Client = { connection, request }
    this.#clients.add(client)
    connection.on('error', () => connection.destroy())
    connection.on('close', () => this.#clients.delete(client))
    this.#readInput(client, head)
  }

  #readInput(client: Client, head: Buffer): void {
    const { connection, request } = client
    const detach = new DetachKeys(request.tty ? request.detachKeys : [])
    connection.on('data', (chunk: Buffer) => {
      if (!request.stdin || !this.#clients.has(client)) return
      const { pass, detached } = detach.filter(chunk)
      if (pass.length > 0) this.#input(connection, pass)
      if (!detached) return
      this.#clients.delete(client)
      connection.end()
    })
    const closeInput = (): void => {
      if (request.stdin && this.#spec?.stdinOnce) this.#stdio?.closeInput()
    }
    connection.on('end', closeInput)
    connection.on('close', closeInput)
    // Until the program runs there is nowhere to put input: it stays in the socket, its end too.
    if (this.#stdio === null) connection.pause()
    if (head.length > 0) connection.unshift(head)
  }

  #input(from: Duplex, chunk: Buffer): void {
    const input = this.#stdio?.input
    if (input == null || input.destroyed || input.write(chunk)) return
    from.pause()
    input.once('drain', () => from.resume())
  }

  #output(stream: OutputStream, chunk: Buffer): void {
    this.#log?.write(stream, chunk)
    const frame = this.#spec?.tty ? chunk : encodeFrame(stream, chunk)
    for (const client of this.#clients) {
      if (client.request[stream] && !client.connection.write(frame)) this.#holdBack(client)
    }
  }

  /** The program waits for its slowest client, as it would for the reader of a pipe: somebody pages through its output. */
  #holdBack(client: Client): void {
    if (this.#finished || this.#slow.has(client)) return
    const { connection } = client
    this.#stdio?.pause()
    const go = (): void => {
      connection.off('drain', go)
      connection.off('close', go)
      this.#slow.delete(client)
      if (this.#slow.size === 0) this.#stdio?.resume()
    }
    this.#slow.set(client, go)
    connection.on('drain', go)
    connection.on('close', go)
  }

  resize(rows: number, columns: number): void {
    this.#stdio?.resize(rows, columns)
  }

  /**
   * The program is gone. What it wrote last fits into memory and is read whatever the clients do: nobody's program waits
   * for them any more, and they take it in their own time. Resolves when all has been read and logged.
   */
  async drained(): Promise<void> {
    this.#finished = true
    for (const go of [...this.#slow.values()]) go()
    await this.#stdio?.ended()
  }

  /** Puts into the log what no newline has ended. */
  flushLog(): void {
    this.#log?.flush()
  }

  /** Closes everything of the program's own and lets the clients go. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#log?.close()
    this.#stdio?.close()
    for (const { connection } of this.#clients) {
      connection.resume()
      connection.end()
    }
  }
}
