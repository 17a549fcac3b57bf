import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import {
  clientAddress,
  type Route,
  receiveDatagram,
  sendDatagram,
  wantLocalAddresses,
} from '../sys/datagram.ts'
import { SyscallError } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import type { PortProxy, ProxyOptions } from './proxy.ts'

/** Milliseconds after which a silent client is forgotten, as long as connection tracking remembers one. */
const IDLE_TIMEOUT = 90_000
/** The oldest client is forgotten before there are more. */
const MAX_CLIENTS = 1024

interface Client {
  readonly socket: Socket
  /** connect() of a datagram socket takes a turn of the event loop. */
  readonly connected: Promise<void>
  readonly idle: NodeJS.Timeout
}

/** How answers leave: from the address to which the question came. */
type Answer = (data: Buffer) => void

/** Serves a bound socket, which it takes over, with one connected socket to `target` for each client. */
export async function serveUdpProxy(fd: Fd, options: ProxyOptions): Promise<PortProxy> {
  const clients = openClients(options)
  const stop =
    options.family === 6 ? listen6(fd, options, clients.relay) : await listen4(fd, options, clients.relay)
  return {
    close() {
      stop()
      clients.close()
    },
  }
}

function openClients({ target }: ProxyOptions) {
  const clients = new Map<string, Client>()

  function forget(key: string): void {
    const client = clients.get(key)
    if (client === undefined) return
    clients.delete(key)
    clearTimeout(client.idle)
    client.socket.close()
  }

  function admit(key: string, answer: Answer): Client {
    const oldest = clients.keys().next().value
    if (clients.size >= MAX_CLIENTS && oldest !== undefined) forget(oldest)
    const socket = createSocket(isIPv6(target.address) ? 'udp6' : 'udp4')
    // the answer to a closed port; the client will ask again or give up
    socket.on('error', () => forget(key))
    socket.on('message', (data) => {
      clients.get(key)?.idle.refresh()
      answer(data)
    })
    // with an error where there is no way to the container
    const connected = new Promise<void>((resolve) => {
      socket.connect(target.port, target.address, (error?: Error) => (error ? forget(key) : resolve()))
    })
    const client = { socket, connected, idle: setTimeout(forget, IDLE_TIMEOUT, key).unref() }
    clients.set(key, client)
    return client
  }

  return {
    relay(key: string, data: Buffer, answer: Answer): void {
      const client = clients.get(key) ?? admit(key, answer)
      client.idle.refresh()
      void client.connected.then(() => {
        if (clients.get(key) === client) client.socket.send(data)
      })
    },
    close(): void {
      for (const key of [...clients.keys()]) forget(key)
    },
  }
}

type Relay = (key: string, data: Buffer, answer: Answer) => void

/** An IPv4 socket here has one address. */
async function listen4(fd: Fd, { admits, log, target }: ProxyOptions, relay: Relay): Promise<() => void> {
  const listener = createSocket('udp4')
  listener.on('message', (data, from) => {
    // to port 0 no answer can go (RFC 768)
    if (from.port === 0 || !admits(from.address)) return
    relay(`${from.address} ${from.port}`, data, (answer) => listener.send(answer, from.port, from.address))
  })
  listener.on('error', (error) => log.warn({ err: error, target }, 'a port proxy failed'))
  // said within bind() already
  const listening = once(listener, 'listening')
  listener.bind({ fd: fd.release() })
  await listening
  return () => listener.close()
}

/** How many datagrams are taken before others have their turn. */
const atOnce = 64

/** An IPv6 socket stands for all the host's addresses, of both families; Node does not tell to which a datagram came. */
function listen6(fd: Fd, { admits, watch, log, target }: ProxyOptions, relay: Relay): () => void {
  const wake = (): void => {
    if (!fd.isOpen) return
    try {
      takeWaiting(fd, admits, relay)
      watch.add(fd, { wake })
    } catch (error) {
      log.warn({ err: error, target }, 'a port proxy failed')
    }
  }
  wantLocalAddresses(fd)
  wake()
  return () => {
    watch.remove(fd)
    fd.close()
  }
}

function takeWaiting(fd: Fd, admits: ProxyOptions['admits'], relay: Relay): void {
  for (let count = 0; count < atOnce; count++) {
    const received = receiveDatagram(fd)
    if (received === null) return
    const { data, route } = received
    if (!admits(clientAddress(route))) continue
    const key = `${route.client.toString('latin1')} ${route.local.toString('latin1')}`
    relay(key, data, (answer) => {
      if (fd.isOpen) sendOrDrop(fd, answer, route)
    })
  }
}

/** A datagram may be lost; a client that cannot be reached any more is no affair of the others. */
function sendOrDrop(fd: Fd, data: Buffer, route: Route): void {
  try {
    sendDatagram(fd, data, route)
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error
  }
}
