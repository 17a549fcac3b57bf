/**
 * A conversation with the kernel's rtnetlink(7). Nothing here waits: the kernel works on a request while it is sent,
 * so that the answer is there when send returns.
 */
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
    throw new TsnetError(
      'unavailable',
      'netlink-busy',
      `${describeRequest(request)}: the list changed under each of ${dumpAttempts} readings, try again when the host is quieter`,
    )
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
      const datagram = receiveNetlink(this.#fd)
      if (datagram === null) {
        throw new TsnetError('internal', 'netlink', `${describeRequest(request)}: the kernel gave no answer`)
      }
      const messages = decodeMessages(datagram).filter((message) => message.sequence === this.#sequence)
      if (messages.length > 0) return messages
    }
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
    let interrupted = false
    for (;;) {
      for (const message of this.#next(request)) {
        interrupted ||= (message.flags & NLM_F_DUMP_INTR) !== 0
        if (message.type === NLMSG_ERROR) throwRefusal(request, decodeAcknowledgement(message))
        if (message.type === NLMSG_DONE) {
          throwRefusal(request, decodeDone(message))
          return interrupted ? null : collected
        }
        collected.push(message)
      }
    }
  }
}

function throwRefusal(request: Request, answer: Acknowledgement): void {
  if (answer.errno === 0) return
  throw new NetlinkError(describeRequest(request), answer.errno, answer.extack, answer.offset)
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
