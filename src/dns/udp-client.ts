import { randomInt } from 'node:crypto'
import { type Datagram, receiveDatagrams, sendDatagramTo } from '../sys/datagram-batch.ts'
import type { Fd } from '../sys/fd.ts'
import { type ReadableWatch, watchReadable } from '../sys/readable.ts'
import { setReceiveBuffer } from '../sys/socket.ts'
import { isAnswerTo } from './answer.ts'
import { openConnected } from './client-socket.ts'
import { type Query, upstreamQuery } from './message.ts'

/** Bytes: answers of the moments in which the daemon is busy. */
const receiveBuffer = 2 ** 20

/** Told once: the server's answer, or null when it cannot be reached. */
export type Heard = (answer: Buffer | null) => void

/** A question that waits for one server. */
export interface Asked {
  /** Whatever the server says from now on is not told. Safe to repeat. */
  cancel(): void
}

interface Waiting {
  readonly query: Query
  readonly heard: Heard
}

/**
 * A socket connected to one name server and shared by many queries. Connected, because the kernel then drops packets
 * from anyone else, and reports at once that nobody listens there.
 */
export class UdpClient {
  readonly #socket: Fd
  readonly #watch: ReadableWatch
  readonly #waiting = new Map<number, Waiting>()

  /** Throws SyscallError when `netns` has no socket to give, or no way to the server. */
  constructor(address: string, netns: Fd | null) {
    this.#socket = openConnected(netns, address)
    setReceiveBuffer(this.#socket, receiveBuffer)
    this.#watch = watchReadable(this.#socket, () => this.#read())
    this.#watch.unref()
  }

  /** The answer may be a truncated one. Throws SyscallError when the query cannot be sent. */
  ask(query: Query, heard: Heard): Asked {
    const id = this.#freeId()
    sendDatagramTo(this.#socket, upstreamQuery(query, id), null)
    const waiting = { query, heard }
    this.#waiting.set(id, waiting)
    return { cancel: () => this.#cancel(id, waiting) }
  }

  /** The id may be another query's by now. */
  #cancel(id: number, waiting: Waiting): void {
    if (this.#waiting.get(id) === waiting) this.#waiting.delete(id)
  }

  /** Who still waits is told that no answer comes; safe to repeat. */
  close(): void {
    if (!this.#socket.isOpen) return
    this.#watch.stop()
    this.#socket.close()
    this.#failAll()
  }

  #freeId(): number {
    for (;;) {
      const id = randomInt(0x10000)
      if (!this.#waiting.has(id)) return id
    }
  }

  #read(): void {
    for (const { data } of this.#datagrams()) this.#receive(data)
  }

  #datagrams(): readonly Datagram[] {
    try {
      return receiveDatagrams(this.#socket)
    } catch {
      this.#failAll()
      return []
    }
  }

  #receive(message: Buffer): void {
    if (message.length < 2) return
    const id = message.readUInt16BE(0)
    const waiting = this.#waiting.get(id)
    if (waiting === undefined || !isAnswerTo(message, waiting.query, id)) return
    this.#waiting.delete(id)
    waiting.heard(message)
  }

  #failAll(): void {
    const failed = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { heard } of failed) heard(null)
  }
}
