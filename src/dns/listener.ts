/** The sockets of one sandbox's name service: opened inside its network namespace, served from outside. */
import { once } from 'node:events'
import { createServer, isIPv6, type Server, type Socket } from 'node:net'
import { TsnetError } from '../errors.ts'
import { type Datagram, portOf, receiveDatagrams, sendDatagramTo } from '../sys/datagram-batch.ts'
import { SyscallError } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { inNetns } from '../sys/netns.ts'
import { watchReadable } from '../sys/readable.ts'
import { openInetSocket, setReceiveBuffer, socketPort } from '../sys/socket.ts'
import { FrameSplitter, frame } from './stream.ts'

export type Transport = 'udp' | 'tcp'

/** A message to send back, or null for silence; a promise only where something has to be waited for, as it costs. */
export type Reply = Buffer | null | Promise<Buffer | null>

export type Answer = (bytes: Buffer, transport: Transport) => Reply

const ownAddress = '127.0.0.11'
const maxConnections = 64
/** The kernel chooses. */
const anyPorts = { udp: 0, tcp: 0 }
/** Bytes, of which the kernel grants what net.core.rmem_max allows: queries of the moments in which the daemon is busy. */
const receiveBuffer = 2 ** 20
/** milliseconds without a byte after which a connection is closed */
const idleTime = 10_000
/** Bytes of answers that a client has not read yet, beyond which its connection is closed. */
const maxUnread = 2 ** 20

export interface Listener {
  /** Chosen by the kernel: the container may use port 53 itself. */
  readonly ports: { readonly udp: number; readonly tcp: number }
  close(): void
}

/** Throws SyscallError when the sockets cannot be had, e.g. because the loopback interface is down or a port is taken. */
export function listenInside(
  netns: Fd,
  answer: Answer,
  ports: Listener['ports'] = anyPorts,
): Promise<Listener> {
  // in one synchronous turn: a socket keeps the namespace that the thread was in when it was made
  return listen(
    inNetns(netns, () => openSockets(ownAddress, ports)),
    answer,
  )
}

/** On port 53 of an address of the host, which may come later. Throws kind 'unavailable' when it is taken. */
export async function listenOnHost(address: string, answer: Answer): Promise<Listener> {
  return listen(openOnHost(address), answer)
}

function openOnHost(address: string): Sockets {
  try {
    return openSockets(address, { udp: 53, tcp: 53 }, true)
  } catch (error) {
    if (!(error instanceof SyscallError && error.errnoName === 'EADDRINUSE')) throw error
    throw new TsnetError(
      'unavailable',
      'dns-host-listen',
      `--dns-host-listen ${address} is in use: another name server has its port 53, or that of all addresses; ` +
        'stop it or give another address, e.g. 127.0.0.54',
    )
  }
}

interface Sockets {
  readonly family: 4 | 6
  readonly udp: Fd
  readonly tcp: Fd
}

async function listen(fds: Sockets, answer: Answer): Promise<Listener> {
  const ports = { udp: socketPort(fds.udp), tcp: socketPort(fds.tcp) }
  await using undo = new AsyncDisposableStack()
  undo.use(fds.udp)
  const tcp = createServer({ allowHalfOpen: true })
  undo.defer(() => void tcp.close())
  serveTcp(tcp, answer)
  // a socket given by descriptor may be listening before this returns
  const listening = once(tcp, 'listening')
  tcp.listen({ fd: fds.tcp.release() })
  await listening
  const endUdp = serveUdp(fds.udp, answer)
  const connections = trackConnections(tcp)
  undo.move()
  return { ports, close: () => closeAll(endUdp, tcp, connections) }
}

/** `freebind` takes an address that is not there yet. */
function openSockets(address: string, ports: Listener['ports'], freebind = false): Sockets {
  // a thousand sandboxes must not take up the descriptors that others need
  const place = { family: isIPv6(address) ? 6 : 4, address, high: true, freebind } as const
  const udp = openInetSocket({ ...place, port: ports.udp, type: 'datagram' })
  try {
    const tcp = openInetSocket({ ...place, port: ports.tcp, type: 'stream', listen: 64, reuseAddress: true })
    return { family: place.family, udp, tcp }
  } catch (error) {
    udp.close()
    throw error
  }
}

/** Returns how to end it: answers that are ready later are dropped from that moment on. */
function serveUdp(socket: Fd, answer: Answer): () => void {
  setReceiveBuffer(socket, receiveBuffer)
  const watch = watchReadable(socket, () => {
    for (const datagram of takeDatagrams(socket)) {
      // of raw sockets, where no answer can go (RFC 768)
      if (portOf(datagram.from) !== 0) answerDatagram(socket, datagram, answer)
    }
  })
  return () => {
    watch.stop()
    socket.close()
  }
}

function answerDatagram(socket: Fd, { data, from }: Datagram, answer: Answer): void {
  const reply = answer(data, 'udp')
  if (reply instanceof Promise) void reply.then((message) => sendBack(socket, message, from))
  else sendBack(socket, reply, from)
}

/** What a vanished client's port reports is no concern of the others. */
function takeDatagrams(socket: Fd): readonly Datagram[] {
  try {
    return receiveDatagrams(socket)
  } catch {
    return []
  }
}

/** Who cannot be reached asks again, or has gone. */
function sendBack(socket: Fd, message: Buffer | null, to: Buffer): void {
  if (message === null || !socket.isOpen) return
  try {
    sendDatagramTo(socket, message, to)
  } catch {}
}

function serveTcp(server: Server, answer: Answer): void {
  server.maxConnections = maxConnections
  server.on('connection', (socket) => converse(socket, answer))
}

/** Answers go out as they are ready (RFC 7766, 6.2.1.1); what the client has asked before it closed is answered too. */
function converse(socket: Socket, answer: Answer): void {
  const splitter = new FrameSplitter()
  const running = new Set<Promise<void>>()
  socket.setTimeout(idleTime, () => socket.destroy())
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    for (const bytes of splitter.push(chunk)) {
      const turn = respond(socket, bytes, answer).finally(() => running.delete(turn))
      running.add(turn)
    }
  })
  socket.on('end', () => void Promise.all(running).then(() => socket.end()))
}

async function respond(socket: Socket, bytes: Buffer, answer: Answer): Promise<void> {
  const message = await answer(bytes, 'tcp')
  if (message === null || socket.writableLength > maxUnread) socket.destroy()
  else if (socket.writable) socket.write(frame(message))
}

function trackConnections(server: Server): Set<Socket> {
  const connections = new Set<Socket>()
  server.on('connection', (socket) => {
    connections.add(socket)
    socket.on('close', () => connections.delete(socket))
  })
  return connections
}

function closeAll(endUdp: () => void, tcp: Server, connections: ReadonlySet<Socket>): void {
  endUdp()
  tcp.close()
  for (const socket of connections) socket.destroy()
}
