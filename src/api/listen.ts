/** Where the API is served: unix sockets, and TCP with mutual TLS. */
import { chmod, chown, unlink } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TsnetError } from '../errors.ts'
import { serveUpgrade } from './stream.ts'

export interface UnixAddress {
  /** path of the socket */
  readonly unix: string
  /** permission bits, e.g. 0o660 */
  readonly mode: number
  readonly gid?: number
}

export interface TcpAddress {
  readonly host: string
  /** 0 takes a free one */
  readonly port: number
  /** PEM; clients must show a certificate signed by `ca`. */
  readonly tls: {
    readonly ca: string | Buffer
    readonly cert: string | Buffer
    readonly key: string | Buffer
  }
}

export type ListenAddress = UnixAddress | TcpAddress

export interface Listener {
  /** `unix:///run/tsnet/tsnet.sock` or `tcp://127.0.0.1:2376`, with the port that was taken. */
  readonly url: string
  /** Stops listening and cuts every connection, attached ones too. */
  close(): Promise<void>
}

/** Throws kind 'conflict' when the address is taken. */
export async function listenOn(address: ListenAddress, routing: RequestListener): Promise<Listener> {
  const server = 'unix' in address ? createServer(timeouts, routing) : createTlsListener(address, routing)
  server.on('upgrade', (message, socket: Duplex, head: Buffer) =>
    serveUpgrade(routing, message, socket, head),
  )
  const connections = trackConnections(server)
  if ('unix' in address) await bindUnix(server, address)
  else await bind(server, () => server.listen(address.port, address.host), `${address.host}:${address.port}`)
  return { url: urlOf(server, address), close: () => closeServer(server, connections) }
}

/** Loading an image or following a log takes as long as it takes; only headers must come soon. */
const timeouts = { requestTimeout: 0, headersTimeout: 60_000, keepAliveTimeout: 0 } as const

function createTlsListener({ tls }: TcpAddress, routing: RequestListener): Server {
  const mutual = {
    requestCert: true,
    rejectUnauthorized: true,
    allowHalfOpen: true,
    minVersion: 'TLSv1.2',
  } as const
  return createTlsServer({ ...timeouts, ...tls, ...mutual }, routing)
}

function trackConnections(server: Server): Set<Socket> {
  const connections = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    connections.add(socket)
    socket.on('close', () => connections.delete(socket))
  })
  return connections
}

/** The socket never is more open than wanted: bind(2) makes it under a umask that leaves only `mode`. */
async function bindUnix(server: Server, { unix, mode, gid }: UnixAddress): Promise<void> {
  await removeStaleSocket(unix)
  const umask = process.umask(0o777 & ~mode)
  try {
    // Node binds within this call, before it returns to the event loop.
    const listening = bind(server, () => server.listen(unix), unix)
    process.umask(umask)
    await listening
  } finally {
    process.umask(umask)
  }
  if (gid !== undefined) await chown(unix, -1, gid)
  await chmod(unix, mode)
}

/** A socket file that nobody listens on is left over from a daemon that was killed. */
async function removeStaleSocket(path: string): Promise<void> {
  const error = await tryConnect(path)
  if (error === null) throw inUse(path)
  if (error === 'ECONNREFUSED') await unlink(path)
}

function tryConnect(path: string): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
    socket.on('connect', () => {
      socket.destroy()
      resolve(null)
    })
  })
}

function inUse(address: string): TsnetError {
  return new TsnetError(
    'conflict',
    'address-in-use',
    `${address} is in use: another daemon listens there; stop it, or give another --host`,
  )
}

function bind(server: Server, listen: () => void, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? inUse(name) : error),
    )
    server.once('listening', resolve)
    listen()
  })
}

function urlOf(server: Server, address: ListenAddress): string {
  if ('unix' in address) return `unix://${address.unix}`
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port
  return `tcp://${address.host.includes(':') ? `[${address.host}]` : address.host}:${port}`
}

function closeServer(server: Server, connections: Set<Socket>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    for (const socket of connections) socket.destroy()
  })
}
