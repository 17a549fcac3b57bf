import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Fd } from '../sys/fd.ts'
import type { PortProxy, ProxyOptions, ProxyTarget } from './proxy.ts'

/** For so long, in milliseconds, clients of a port just published wait for the program behind it to listen. */
const startingTime = 2_000
const retryAfter = 10

/** Serves a bound socket, which it takes over, by connections to `target`, each side's end passed on to the other. */
export async function serveTcpProxy(fd: Fd, options: ProxyOptions): Promise<PortProxy> {
  const { target, admits, publishedAt, log } = options
  const open = new Set<Socket>()
  const startedAt = publishedAt + startingTime
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (client) => {
    if (admits(client.remoteAddress ?? '')) void relay(client, target, startedAt, open)
    else client.resetAndDestroy()
  })
  server.on('error', (error) => log.warn({ err: error, target }, 'a port proxy failed'))
  server.listen({ fd: fd.release() })
  await once(server, 'listening')
  return {
    close() {
      server.close()
      for (const socket of open) socket.destroy()
    },
  }
}

async function relay(
  client: Socket,
  target: ProxyTarget,
  startedAt: number,
  open: Set<Socket>,
): Promise<void> {
  hold(client, open)
  client.on('error', () => client.destroy())
  const container = await reach(client, target, startedAt)
  // a refused or broken connection must look so from the other side too
  if (container === null) {
    client.resetAndDestroy()
    return
  }
  hold(container, open)
  join(client, container)
  join(container, client)
}

function hold(socket: Socket, open: Set<Socket>): void {
  open.add(socket)
  socket.on('close', () => open.delete(socket))
}

function join(from: Socket, to: Socket): void {
  from.pipe(to)
  from.on('error', () => to.resetAndDestroy())
}

/** Null when the container refuses, or the client has gone meanwhile. */
async function reach(
  client: Socket,
  { address, port }: ProxyTarget,
  startedAt: number,
): Promise<Socket | null> {
  for (;;) {
    const container = connect({ host: address, port, allowHalfOpen: true, noDelay: true })
    try {
      await once(container, 'connect')
      if (!client.destroyed) return container
      container.destroy()
      return null
    } catch {
      if (client.destroyed || Date.now() >= startedAt) return null
      await delay(retryAfter)
    }
  }
}
