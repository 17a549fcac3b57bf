/** Questions to DHCP servers over one interface, and the answers that belong to them. */
import { randomInt } from 'node:crypto'
import { getLink } from '../../netlink/link.ts'
import { openRouteSocket } from '../../netlink/socket.ts'
import { ETH_P_IP } from '../../sys/constants/socket.ts'
import { SyscallError } from '../../sys/errno.ts'
import type { Fd } from '../../sys/fd.ts'
import { inNetns } from '../../sys/netns.ts'
import { sendFrame } from '../../sys/packet-socket.ts'
import { type ReadableWatch, watchReadable } from '../../sys/readable.ts'
import { openUdpFrameSocket, receiveFrame } from '../../sys/udp-frames.ts'
import { clientPort, decodeFrame, encodeFrame } from './frame.ts'
import {
  type ClientMessage,
  decodeMessage,
  encodeMessage,
  type MessageType,
  type ServerMessage,
} from './message.ts'

const everybody = { mac: 'ff:ff:ff:ff:ff:ff', address: '255.255.255.255' }

/** A server's answer, and the hardware address from which it came: the server's own, or that of the way to it. */
export interface Answer extends ServerMessage {
  readonly from: string
}

export type Question = Pick<ClientMessage, 'type' | 'address' | 'requested' | 'serverId'>

/** Where a question goes; everybody is asked without one. */
export interface Recipient {
  readonly mac: string
  readonly address: string
}

interface Waiting {
  readonly transaction: number
  readonly accepts: readonly MessageType[]
  readonly resolve: (answer: Answer) => void
}

export interface ConversationOptions {
  readonly netns: Fd
  readonly interfaceName: string
  readonly clientId: Buffer
  readonly hostname: string
}

export class Conversation {
  readonly #options: ConversationOptions
  readonly #index: number
  readonly #mac: string
  readonly #socket: Fd
  readonly #watch: ReadableWatch
  readonly #ended = new AbortController()
  #waiting: Waiting | null = null

  /** The interface must be there. */
  constructor(options: ConversationOptions) {
    this.#options = options
    using routes = openRouteSocket(options.netns)
    const { index, address } = getLink(routes, options.interfaceName)
    this.#index = index
    this.#mac = address
    this.#socket = inNetns(options.netns, () => openUdpFrameSocket(index, clientPort))
    this.#watch = watchReadable(this.#socket, () => this.#read())
    this.#watch.unref()
  }

  /** Aborted when the conversation has ended. */
  get signal(): AbortSignal {
    return this.#ended.signal
  }

  /**
   * Asks again after each of `pauses` (milliseconds), and returns the first answer of a type that is accepted, or null when there
   * is none after the last pause. Rejects when the conversation ends.
   */
  async ask(
    question: Question,
    accepts: readonly MessageType[],
    pauses: readonly number[],
    to: Recipient = everybody,
  ): Promise<Answer | null> {
    const transaction = randomInt(2 ** 32)
    const { promise: answered, resolve } = Promise.withResolvers<Answer>()
    this.#waiting = { transaction, accepts, resolve }
    const began = Date.now()
    try {
      for (const pause of pauses) {
        this.#send(question, transaction, Math.floor((Date.now() - began) / 1000), to)
        const answer = await this.#within(answered, pause)
        if (answer !== null) return answer
      }
      return null
    } finally {
      this.#waiting = null
    }
  }

  /** Says something that nobody answers. */
  tell(message: Question, to: Recipient): void {
    this.#send(message, randomInt(2 ** 32), 0, to)
  }

  /** Safe to repeat. */
  close(): void {
    if (!this.#socket.isOpen) return
    this.#ended.abort()
    this.#watch.stop()
    this.#socket.close()
  }

  /** Resolves with null after `milliseconds`. */
  async #within(answered: Promise<Answer>, milliseconds: number): Promise<Answer | null> {
    const { promise: late, resolve, reject } = Promise.withResolvers<null>()
    const end = (): void => reject(this.signal.reason)
    const timer = setTimeout(() => resolve(null), milliseconds)
    this.signal.addEventListener('abort', end)
    try {
      this.signal.throwIfAborted()
      return await Promise.race([answered, late])
    } finally {
      clearTimeout(timer)
      this.signal.removeEventListener('abort', end)
    }
  }

  #send(question: Question, transaction: number, seconds: number, to: Recipient): void {
    const { clientId, hostname } = this.#options
    const payload = encodeMessage({
      ...question,
      transaction,
      seconds,
      mac: this.#mac,
      clientId,
      hostname,
      broadcast: question.address === '',
    })
    const frame = encodeFrame({
      sourceMac: this.#mac,
      destinationMac: to.mac,
      source: question.address || '0.0.0.0',
      destination: to.address,
      payload,
    })
    try {
      sendFrame(this.#socket, this.#index, ETH_P_IP, frame)
    } catch (error) {
      // one that is lost like any other: the interface may come up again
      if (!(error instanceof SyscallError && error.errnoName === 'ENETDOWN')) throw error
    }
  }

  #read(): void {
    while (this.#socket.isOpen) {
      const frame = receiveFrame(this.#socket)
      if (frame === null) return
      const datagram = decodeFrame(frame)
      const message = datagram === null ? null : decodeMessage(datagram.payload)
      if (datagram !== null && message !== null) this.#hear({ ...message, from: datagram.sourceMac })
    }
  }

  #hear(answer: Answer): void {
    const waiting = this.#waiting
    if (waiting === null || answer.transaction !== waiting.transaction || answer.mac !== this.#mac) return
    if (waiting.accepts.includes(answer.type)) waiting.resolve(answer)
  }
}
