/** The sockets of one sandbox's name service: opened inside its network namespace, served from outside. */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, isIPv6, type Server, type Socket } from 'node:net'
import type { Fd } from '../sys/fd.ts'
import { inNetns } from '../sys/netns.ts'
import { openInetSocket, socketPort } from '../sys/socket.ts'
import { FrameSplitter, frame } from './stream.ts'

export type Answer = (bytes: Buffer, transport: 'udp' | 'tcp') => Promise<Buffer | null>

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

/** On port 53 of an address of the host. Throws SyscallError when it is taken, or the address is not there. */
export function listenOnHost(address: string, answer: Answer): Promise<Listener> {
  return listen(openSockets(address, { udp: 53, tcp: 53 }), answer)
}

interface Sockets {
  readonly family: 4 | 6
  readonly udp: Fd
  readonly tcp: Fd
}

async function listen(fds: Sockets, answer: Answer): Promise<Listener> {
  const ports = { udp: socketPort(fds.udp), tcp: socketPort(fds.tcp) }
  await using undo = new AsyncDisposableStack()
  const udp = createSocket(`udp${fds.family}`)
  undo.defer(() => void udp.close())
  const tcp = createServer({ allowHalfOpen: true })
  undo.defer(() => void tcp.close())
  serveTcp(tcp, answer)
  // a socket given by descriptor may be listening before bind returns
  const listening = Promise.all([once(udp, 'listening'), once(tcp, 'listening')])
  udp.bind({ fd: fds.udp.release() })
  const endUdp = serveUdp(udp, answer)
  tcp.listen({ fd: fds.tcp.release() })
  await listening
  const connections = trackConnections(tcp)
  undo.move()
  return { ports, close: () => closeAll(endUdp, tcp, connections) }
}

function openSockets(address: string, ports: Listener['ports']): Sockets {
  // a thousand sandboxes must not take up the descriptors that others need
  const place = { family: isIPv6(address) ? 6 : 4, address, high: true } as const
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
function serveUdp(socket: UdpSocket, answer: Answer): () => void {
  socket.setRecvBufferSize(receiveBuffer)
  let isOpen = true
  // what a vanished client's port reports is no concern of the others
  socket.on('error', () => {})
  socket.on('message', async (bytes, client) => {
    // of raw sockets, where no answer can go (RFC 768)
    if (client.port === 0) return
    const message = await answer(bytes, 'udp')
    if (message !== null && isOpen) socket.send(message, client.port, client.address, () => {})
  })
  return () => {
    isOpen = false
    socket.close()
  }
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
