/** What tests of the name service need: clients inside a sandbox, and upstream servers with a mind of their own. */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import dgram from 'node:dgram'
import { on, once } from 'node:events'
import { createServer, type Server } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { type Answer, type DecodedPacket, decode, encode, type Packet } from 'dns-packet'
import { frame, readFrames } from '../../src/dns/stream.ts'
import type { Fd } from '../../src/sys/fd.ts'
import { inNetns } from '../../src/sys/netns.ts'
import { openInetSocket } from '../../src/sys/socket.ts'

export type Decoded = DecodedPacket & { readonly rcode: string }

export interface AskOptions {
  readonly id?: number
  /** Speak EDNS with this payload size. */
  readonly size?: number
  /** milliseconds */
  readonly patience?: number
}

export function encodeQuery(name: string, type: string, { id = 1, size }: AskOptions = {}): Buffer {
  const opt = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: size ?? 0,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
  }
  return encode({
    type: 'query',
    id,
    flags: 0x0100,
    questions: [{ name, type: type as 'A' }],
    additionals: size === undefined ? [] : [{ ...opt, options: [] } as unknown as Answer],
  })
}

/** A client's socket inside the namespace; the answer, or null when none came in time. */
export async function sendUdp(netns: Fd, bytes: Buffer, patience = 6000): Promise<Buffer | null> {
  const fd = inNetns(netns, () =>
    openInetSocket({ family: 4, type: 'datagram', address: '0.0.0.0', port: 0 }),
  )
  const socket = dgram.createSocket('udp4')
  const timer = new AbortController()
  try {
    socket.bind({ fd: fd.release() })
    const messages = on(socket, 'message', { signal: timer.signal })
    setTimeout(() => timer.abort(), patience).unref()
    socket.send(bytes, 53, '127.0.0.11')
    // an earlier client may have had this port, and its answer come late
    for await (const [message] of messages) if (isSameId(message, bytes)) return message
    return null
  } catch (error) {
    if (timer.signal.aborted) return null
    throw error
  } finally {
    socket.close()
  }
}

function isSameId(message: Buffer, query: Buffer): boolean {
  return message.compare(query, 0, 2, 0, 2) === 0
}

export async function ask(netns: Fd, name: string, type = 'A', options: AskOptions = {}): Promise<Decoded> {
  const bytes = await sendUdp(netns, encodeQuery(name, type, options), options.patience)
  if (bytes === null) throw new Error(`no answer for ${name} ${type}`)
  return decode(bytes) as Decoded
}

/**
 * A connection from inside the namespace to 127.0.0.11:53, held by a program of its own: Node would make the socket
 * after the return from the namespace.
 */
export function connectTcp(netns: Fd): {
  readonly input: Writable
  readonly output: Readable
  close(): void
} {
  const nc = inNetns(
    netns,
    () => spawn('busybox', ['nc', '127.0.0.11', '53'], { stdio: ['pipe', 'pipe', 'ignore'] }) as never,
  ) as ChildProcessByStdio<Writable, Readable, null>
  nc.stdin.on('error', () => undefined)
  return { input: nc.stdin, output: nc.stdout, close: () => void nc.kill() }
}

export async function askTcp(
  netns: Fd,
  name: string,
  type = 'A',
  options: AskOptions = {},
): Promise<Decoded> {
  const connection = connectTcp(netns)
  try {
    connection.input.write(frame(encodeQuery(name, type, options)))
    for await (const message of readFrames(connection.output)) return decode(message) as Decoded
    throw new Error('connection closed without an answer')
  } finally {
    connection.close()
  }
}

export function addressesOf(packet: Packet): string[] {
  return (packet.answers ?? []).flatMap((answer) =>
    answer.type === 'A' || answer.type === 'AAAA' ? [answer.data] : [],
  )
}

export type Respond = (query: DecodedPacket, send: (part: Partial<Packet>) => void, raw: Buffer) => void

/** A name server on port 53 of a loopback address. `seen` holds the names asked for. */
export class FakeServer {
  readonly address: string
  readonly seen: string[] = []
  #isOpen = true
  readonly #socket = dgram.createSocket('udp4')

  private constructor(address: string) {
    this.address = address
  }

  /** In `netns`, or in the present namespace. */
  static async start(address: string, respond: Respond, netns?: Fd): Promise<FakeServer> {
    const server = new FakeServer(address)
    server.#socket.on('message', (bytes, client) => {
      const query = decode(bytes)
      server.seen.push(query.questions![0]!.name)
      const send = (part: Partial<Packet>) => {
        const message = encode({
          type: 'response',
          id: query.id!,
          flags: 0x0180,
          questions: query.questions!,
          ...part,
        })
        if (server.#isOpen) server.#socket.send(message, client.port, client.address)
      }
      respond(query, send, bytes)
    })
    const options = { family: 4, type: 'datagram', address, port: 53 } as const
    // a socket given by descriptor may be listening before bind returns
    const listening = once(server.#socket, 'listening')
    if (netns === undefined) server.#socket.bind(53, address)
    else server.#socket.bind({ fd: inNetns(netns, () => openInetSocket(options)).release() })
    await listening
    return server
  }

  close(): void {
    this.#isOpen = false
    this.#socket.close()
  }
}

/** The same by TCP. */
export class FakeTcpServer {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(address: string, respond: Respond, netns?: Fd): Promise<FakeTcpServer> {
    const server = createServer(async (socket) => {
      for await (const bytes of readFrames(socket)) {
        const { id, questions } = decode(bytes)
        const head = { type: 'response', id: id!, flags: 0x0180, questions: questions! } as const
        respond(decode(bytes), (part) => socket.write(frame(encode({ ...head, ...part }))), bytes)
      }
    })
    const options = { family: 4, type: 'stream', address, port: 53, listen: 8, reuseAddress: true } as const
    const fd = netns === undefined ? openInetSocket(options) : inNetns(netns, () => openInetSocket(options))
    const listening = once(server, 'listening')
    server.listen({ fd: fd.release() })
    await listening
    return new FakeTcpServer(server)
  }

  close(): void {
    this.#server.close()
  }
}

export function answerWith(address: string, ttl = 60): Respond {
  return (query, send) =>
    send({ answers: [{ type: 'A', name: query.questions![0]!.name, ttl, data: address }] })
}

/** 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED … */
export function failWith(code: number): Respond {
  return (_, send) => send({ flags: 0x0180 | code })
}
