/**
 * A conversation with the kernel's rtnetlink(7). Nothing here waits: the kernel works on a request while it is sent,
 * so that the answer is there when send returns.
 */
import { setImmediate } from 'node:timers/promises'
import { TsnetError } from '../errors.ts'
import {
  NETLINK_CAP_ACK,
  NETLINK_EXT_ACK,
  NETLINK_GET_STRICT_CHK,
  NETLINK_ROUTE,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
} from '../sys/constants/netlink.ts'
import type { Fd } from '../sys/fd.ts'
import {
  openNetlinkSocket,
  receiveNetlink,
  sendNetlink,
  sendNetlinkInBackground,
  setNetlinkOption,
} from '../sys/netlink-socket.ts'
import { inNetns } from '../sys/netns.ts'
import { NetlinkError } from './error.ts'
import {
  type Acknowledgement,
  decodeAcknowledgement,
  decodeDone,
  decodeMessages,
  describeRequest,
  encodeMessage,
  type Message,
  type Request,
} from './message.ts'

/** A dump is begun again this often when the kernel's tables change under it. */
const dumpAttempts = 20

/**
 * Requests that go in one datagram. The kernel answers those that it refuses, each with a datagram of its own: this many have room in any
 * receive buffer.
 */
const batchSize = 100

/** A change that the kernel refused. */
export interface Refusal {
  readonly request: Request
  readonly error: NetlinkError
}

/** Milliseconds that a list is read for in one turn of the event loop. */
const longestReading = 10

/** Synchronous requests to one network namespace, on NETLINK_ROUTE. */
export class RouteSocket implements Disposable {
  readonly #fd: Fd
  #sequence = 0
  #busy = false

  constructor(fd: Fd) {
    this.#fd = fd
  }

  /** Sends a change and returns once the kernel has made it. Throws NetlinkError. */
  act(request: Request): void {
    this.#send(request, NLM_F_ACK)
    this.#receive(request)
  }

  /** Sends changes, many at a time, and returns once the kernel has made or refused each. A refusal stops none of the others. */
  actAll(requests: readonly Request[]): Refusal[] {
    const refusals: Refusal[] = []
    for (let at = 0; at < requests.length; at += batchSize) {
      refusals.push(...this.#actBatch(requests.slice(at, at + batchSize)))
    }
    return refusals
  }

  /** Of what it does the kernel says nothing, save of the last one. */
  #actBatch(requests: readonly Request[]): Refusal[] {
    const last = requests.length - 1
    const messages = requests.map((request, place) => this.#encode(request, place === last ? NLM_F_ACK : 0))
    const first = this.#sequence - last
    sendNetlink(this.#fd, Buffer.concat(messages))
    const refusals: Refusal[] = []
    for (;;) {
      for (const answer of this.#read(requests[last]!)) {
        const request = requests[(answer.sequence - first) >>> 0]
        if (request === undefined || answer.type !== NLMSG_ERROR) continue
        const error = refusalOf(request, decodeAcknowledgement(answer))
        if (error !== null) refusals.push({ request, error })
        if (request === requests[last]) return refusals
      }
    }
  }

  /**
   * As `act`, for changes that keep the kernel waiting for other processors, such as the removal of links (10 to 30 ms):
   * the event loop goes on. Until it is done nothing else may be asked on this socket.
   */
  async actInBackground(request: Request): Promise<void> {
    const message = this.#encode(request, NLM_F_ACK)
    this.#busy = true
    try {
      await sendNetlinkInBackground(this.#fd, message)
    } finally {
      this.#busy = false
    }
    this.#receive(request)
  }

  /** Sends a question about one object and returns the answer. Throws NetlinkError, 'not-found' when there is none. */
  get(request: Request): Message {
    this.#send(request, 0)
    const answer = this.#receive(request)
    if (answer === null)
      throw new TsnetError('internal', 'netlink', `${describeRequest(request)}: empty answer`)
    return answer
  }

  /** Lists objects. A list that changed while it was read is read again, as the kernel asks (NLM_F_DUMP_INTR). */
  dump(request: Request): Message[] {
    for (let attempt = 0; attempt < dumpAttempts; attempt++) {
      this.#send(request, NLM_F_DUMP)
      const messages = this.#receiveDump(request)
      if (messages !== null) return messages
    }
    throw changesTooFast(request)
  }

  /**
   * As `dump` for long lists: hands over each message as it comes, and lets the event loop go on in between. `begin` is called again when
   * the list has to be read anew. Until it is done nothing else may be asked on this socket.
   */
  async dumpInTurns(request: Request, begin: () => (message: Message) => void): Promise<void> {
    for (let attempt = 0; attempt < dumpAttempts; attempt++) {
      this.#send(request, NLM_F_DUMP)
      this.#busy = true
      try {
        if (await this.#visitDump(request, begin())) return
      } finally {
        this.#busy = false
      }
    }
    throw changesTooFast(request)
  }

  close(): void {
    this.#fd.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #send(request: Request, flags: number): void {
    sendNetlink(this.#fd, this.#encode(request, flags))
  }

  #encode(request: Request, flags: number): Buffer {
    if (this.#busy)
      throw new Error(`${describeRequest(request)}: asked while the socket waits for another answer`)
    this.#sequence = (this.#sequence + 1) >>> 0
    return encodeMessage(request.type, request.flags | flags | NLM_F_REQUEST, this.#sequence, request.body)
  }

  /** The messages of the next datagram that answers the last request; older answers are left-overs of a failure. */
  #next(request: Request): Message[] {
    for (;;) {
      const messages = this.#read(request).filter((message) => message.sequence === this.#sequence)
      if (messages.length > 0) return messages
    }
  }

  #read(request: Request): Message[] {
    const datagram = receiveNetlink(this.#fd)
    if (datagram !== null) return decodeMessages(datagram)
    throw new TsnetError('internal', 'netlink', `${describeRequest(request)}: the kernel gave no answer`)
  }

  /** The answer, or null for a bare acknowledgement. */
  #receive(request: Request): Message | null {
    const message = this.#next(request)[0]!
    if (message.type !== NLMSG_ERROR) return message
    throwRefusal(request, decodeAcknowledgement(message))
    return null
  }

  /** All messages of a dump, or null when it was interrupted. Reads to the end in any case, to leave nothing behind. */
  #receiveDump(request: Request): Message[] | null {
    const collected: Message[] = []
    const dump = new Dump(request, (message) => collected.push(message))
    while (!dump.isWhole) dump.take(this.#next(request))
    return dump.wasInterrupted ? null : collected
  }

  /** False when the dump was interrupted. */
  async #visitDump(request: Request, visit: (message: Message) => void): Promise<boolean> {
    const dump = new Dump(request, visit)
    let turnEnds = performance.now() + longestReading
    while (!dump.isWhole) {
      dump.take(this.#next(request))
      if (performance.now() < turnEnds) continue
      await setImmediate()
      turnEnds = performance.now() + longestReading
    }
    return !dump.wasInterrupted
  }
}

/** The answer to a dump as it comes in. */
class Dump {
  readonly #request: Request
  readonly #visit: (message: Message) => void
  isWhole = false
  wasInterrupted = false

  constructor(request: Request, visit: (message: Message) => void) {
    this.#request = request
    this.#visit = visit
  }

  /** Throws NetlinkError. */
  take(messages: readonly Message[]): void {
    for (const message of messages) {
      this.wasInterrupted ||= (message.flags & NLM_F_DUMP_INTR) !== 0
      if (message.type === NLMSG_ERROR) throwRefusal(this.#request, decodeAcknowledgement(message))
      if (message.type === NLMSG_DONE) {
        throwRefusal(this.#request, decodeDone(message))
        this.isWhole = true
        return
      }
      this.#visit(message)
    }
  }
}

function throwRefusal(request: Request, answer: Acknowledgement): void {
  const error = refusalOf(request, answer)
  if (error !== null) throw error
}

function refusalOf(request: Request, answer: Acknowledgement): NetlinkError | null {
  if (answer.errno === 0) return null
  return new NetlinkError(describeRequest(request), answer.errno, answer.extack, answer.offset)
}

function changesTooFast(request: Request): TsnetError {
  return new TsnetError(
    'unavailable',
    'netlink-busy',
    `${describeRequest(request)}: the list changed under each of ${dumpAttempts} readings, try again when the host is quieter`,
  )
}

/** Opens a socket to the thread's own network namespace, or to `netns`; it keeps to that namespace until closed. */
export function openRouteSocket(netns?: Fd): RouteSocket {
  const fd =
    netns === undefined
      ? openNetlinkSocket(NETLINK_ROUTE)
      : inNetns(netns, () => openNetlinkSocket(NETLINK_ROUTE))
  try {
    setNetlinkOption(fd, NETLINK_EXT_ACK, 1)
    setNetlinkOption(fd, NETLINK_CAP_ACK, 1)
    setNetlinkOption(fd, NETLINK_GET_STRICT_CHK, 1)
    return new RouteSocket(fd)
  } catch (error) {
    fd.close()
    throw error
  }
}
