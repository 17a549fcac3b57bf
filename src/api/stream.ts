/**
 * Answers that are streams: the hijacked connection of attach and exec, logs, and Docker's stream of JSON messages.
 *
 *   client                                    daemon
 *   POST …/attach, Upgrade: tcp        ──▶
 *                                      ◀──    101 UPGRADED
 *   stdin, then its write side closes  ──▶
 *                                      ◀──    stdout and stderr in 8-byte frames (raw with a tty), then its write side closes
 *
 * A client which does not ask for the upgrade gets a 200 with the same bytes as its body; stdin is the request's body.
 */
import { type IncomingMessage, type RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex, Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { errorMessage } from '../errors.ts'

interface Upgrade {
  readonly socket: Duplex
  /** What the client has already sent beyond the request. */
  readonly head: Buffer
}

const upgrades = new WeakMap<IncomingMessage, Upgrade>()

/** How long a client may take to close its side after the last byte was sent, before the connection is cut. */
const lingerMilliseconds = 10_000

/**
 * Serves a request that asks for an upgrade by the same routes as any other. Node has taken the request's body off the
 * connection by then; `socket` starts after it.
 */
export function serveUpgrade(
  routing: RequestListener,
  message: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  upgrades.set(message, { socket, head })
  const response = new ServerResponse(message)
  response.shouldKeepAlive = false
  response.assignSocket(socket as Socket)
  response.on('finish', () => {
    response.detachSocket(socket as Socket)
    socket.end()
  })
  socket.on('error', () => socket.destroy())
  routing(message, response)
}

/** The type of a stream of a container's output; before 1.42 clients were not told apart what the stream is. */
export function streamType(tty: boolean, version: number): string {
  return !tty && version >= 42
    ? 'application/vnd.docker.multiplexed-stream'
    : 'application/vnd.docker.raw-stream'
}

/** Gives the connection to `duplex`; its bytes pass as they are. `input` is stdin for a client that did not upgrade. */
export function sendDuplex(
  request: FastifyRequest,
  reply: FastifyReply,
  duplex: Duplex,
  options: { tty: boolean; input: Readable | undefined },
): FastifyReply {
  const upgrade = upgrades.get(request.raw)
  reply.hijack()
  if (upgrade === undefined) sendPlain(reply, duplex, options.input)
  else sendUpgraded(reply, upgrade, duplex, streamType(options.tty, request.apiVersion))
  return reply
}

function sendPlain(reply: FastifyReply, duplex: Duplex, input: Readable | undefined): void {
  writeHead(reply, 'application/vnd.docker.raw-stream')
  if (input === undefined) duplex.end()
  else input.pipe(duplex)
  pour(duplex, reply)
}

function sendUpgraded(reply: FastifyReply, { socket, head }: Upgrade, duplex: Duplex, type: string): void {
  reply.raw.removeAllListeners('finish')
  reply.raw.detachSocket(socket as Socket)
  socket.write(
    `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`,
  )
  if (head.length > 0) socket.unshift(head)
  join(socket, duplex)
}

/** Each side's end ends the other's writing alone. A lost client lets go of the stream; a lost stream ends the answer. */
function join(socket: Duplex, duplex: Duplex): void {
  socket.on('close', () => duplex.destroy())
  duplex.on('error', () => socket.end())
  duplex.on('close', () => {
    socket.end()
    // What the client still sends has nowhere to go, but only by reading on is its end seen.
    socket.unpipe(duplex)
    socket.resume()
  })
  socket.on('finish', () => linger(socket))
  socket.pipe(duplex)
  duplex.pipe(socket)
}

function linger(socket: Duplex): void {
  const timer = setTimeout(() => socket.destroy(), lingerMilliseconds)
  timer.unref()
  socket.on('close', () => clearTimeout(timer))
}

/** Sends a stream as it comes; headers go out at once, as followers may wait long for the first byte. */
export function sendStream(reply: FastifyReply, type: string, stream: Readable): FastifyReply {
  reply.hijack()
  writeHead(reply, type)
  pour(stream, reply)
  return reply
}

function pour(stream: Readable, reply: FastifyReply): void {
  const { raw } = reply
  raw.on('close', () => stream.destroy())
  // The status is already sent: a broken-off body is the only way left to say that something went wrong.
  stream.on('error', () => raw.destroy())
  stream.pipe(raw)
}

/** Sends the status, 200 unless another was set, and the headers now. The reply must be hijacked. */
export function writeHead(reply: FastifyReply, type: string): void {
  reply.raw.writeHead(reply.statusCode, {
    ...(reply.getHeaders() as Record<string, string>),
    'content-type': type,
  })
  reply.raw.flushHeaders()
}

/** Aborts when the client goes away before it has got its answer. */
export function clientSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  reply.raw.on('close', () => controller.abort())
  return controller.signal
}

/** One line of Docker's JSON message stream. */
export interface JsonMessage {
  readonly stream?: string
  readonly status?: string
  readonly id?: string
  readonly progressDetail?: { readonly current?: number; readonly total?: number }
  readonly aux?: unknown
}

/**
 * Runs `work` and sends what it tells line by line. An error before the first line is an ordinary answer; later it
 * is the last line.
 */
export async function sendMessages(
  reply: FastifyReply,
  work: (send: (message: JsonMessage) => void, signal: AbortSignal) => Promise<void>,
): Promise<FastifyReply> {
  const { raw } = reply
  const begin = (): void => {
    if (raw.headersSent) return
    reply.hijack()
    writeHead(reply, 'application/json')
  }
  const send = (message: JsonMessage): void => {
    begin()
    const isPassing = message.progressDetail?.current !== undefined
    // A slow reader does without some of the progress instead of filling the daemon's memory.
    if (!isPassing || !raw.writableNeedDrain) raw.write(`${JSON.stringify(message)}\r\n`)
  }
  try {
    await work(send, clientSignal(reply))
    begin()
  } catch (error) {
    if (!raw.headersSent) throw error
    const message = errorMessage(error)
    raw.write(`${JSON.stringify({ errorDetail: { message }, error: message })}\r\n`)
  }
  raw.end()
  return reply
}
