import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
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

/** Serves a bound socket, which it takes over, with one connected socket to `target` for each client. */
export async function serveUdpProxy(fd: Fd, options: ProxyOptions): Promise<PortProxy> {
  const { family, target, admits, log } = options
  const listener = createSocket(family === 4 ? 'udp4' : 'udp6')
  const clients = new Map<string, Client>()

  function forget(key: string): void {
    const client = clients.get(key)
    if (client === undefined) return
    clients.delete(key)
    clearTimeout(client.idle)
    client.socket.close()
  }

  function admit(key: string, from: RemoteInfo): Client {
    const oldest = clients.keys().next().value
    if (clients.size >= MAX_CLIENTS && oldest !== undefined) forget(oldest)
    const socket = createSocket(isIPv6(target.address) ? 'udp6' : 'udp4')
    // the answer to a closed port; the client will ask again or give up
    socket.on('error', () => forget(key))
    socket.on('message', (answer) => {
      clients.get(key)?.idle.refresh()
      listener.send(answer, from.port, from.address)
    })
    const connected = new Promise<void>((resolve) => socket.connect(target.port, target.address, resolve))
    const client = { socket, connected, idle: setTimeout(forget, IDLE_TIMEOUT, key).unref() }
    clients.set(key, client)
    return client
  }

  listener.on('message', (message, from) => {
    if (!admits(from.address)) return
    const key = `${from.address} ${from.port}`
    const client = clients.get(key) ?? admit(key, from)
    client.idle.refresh()
    void client.connected.then(() => {
      if (clients.get(key) === client) client.socket.send(message)
    })
  })
  listener.on('error', (error) => log.warn({ err: error, target }, 'a port proxy failed'))
  // said within bind() already
  const listening = once(listener, 'listening')
  listener.bind({ fd: fd.release() })
  await listening
  return {
    close() {
      listener.close()
      for (const key of [...clients.keys()]) forget(key)
    },
  }
}
