import { randomInt } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { TsnetError } from '../errors.ts'
import type { Fd } from '../sys/fd.ts'
import { isAnswerTo } from './answer.ts'
import { openClientSocket } from './client-socket.ts'
import { type Query, upstreamQuery } from './message.ts'

/** Bytes, of which the kernel grants what net.core.rmem_max allows: answers of the moments in which the daemon is busy. */
const receiveBuffer = 2 ** 20

interface Waiting {
  readonly query: Query
  readonly resolve: (answer: Buffer) => void
  readonly reject: (error: unknown) => void
}

/**
 * A socket connected to one name server and shared by many queries. Connected, because the kernel then drops packets
 * from anyone else, and reports at once that nobody listens there.
 */
export class UdpClient {
  readonly #address: string
  readonly #socket: Socket
  readonly #connected: Promise<unknown>
  readonly #waiting = new Map<number, Waiting>()
  #open = true

  /** Throws SyscallError when `netns` has no socket to give. */
  constructor(address: string, netns: Fd | null) {
    this.#address = address
    this.#socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4').unref()
    this.#connected = once(this.#socket, 'connect')
    this.#connected.then(
      () => this.#socket.setRecvBufferSize(receiveBuffer),
      () => this.close(),
    )
    this.#socket.on('message', (message) => this.#receive(message))
    this.#socket.on('error', (error) => this.#failAll(error))
    if (netns !== null) this.#socket.bind({ fd: openClientSocket(netns, address, 'datagram').release() })
    this.#socket.connect(53, address)
  }

  get isOpen(): boolean {
    return this.#open
  }

  /** The server's answer, perhaps truncated. Rejects when the server is unreachable or `signal` aborts. */
  async ask(query: Query, signal: AbortSignal): Promise<Buffer> {
    signal.throwIfAborted()
    const id = this.#freeId()
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    this.#waiting.set(id, { query, resolve, reject })
    signal.addEventListener('abort', reject, { once: true })
    this.#connected.then(() => this.#send(upstreamQuery(query, id), reject), reject)
    try {
      return await promise
    } finally {
      signal.removeEventListener('abort', reject)
      this.#waiting.delete(id)
    }
  }

  #send(message: Buffer, reject: (error: unknown) => void): void {
    if (this.#open) this.#socket.send(message, (error) => error && reject(error))
  }

  /** Queries still waiting are rejected; safe to repeat. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#socket.close()
    this.#failAll(
      new TsnetError('unavailable', 'dns-upstream', `socket to name server ${this.#address} is closed`),
    )
  }

  #freeId(): number {
    for (;;) {
      const id = randomInt(0x10000)
      if (!this.#waiting.has(id)) return id
    }
  }

  #receive(message: Buffer): void {
    if (message.length < 2) return
    const id = message.readUInt16BE(0)
    const waiting = this.#waiting.get(id)
    if (waiting !== undefined && isAnswerTo(message, waiting.query, id)) waiting.resolve(message)
  }

  #failAll(error: unknown): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error)
  }
}
