import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { Logger } from '../log.ts'
import type { Fd } from '../sys/fd.ts'
import type { PortProxy, ProxyTarget } from './proxy.ts'

/** Serves a bound socket, which it takes over, by connections to `target`, each side's end passed on to the other. */
export async function serveTcpProxy(fd: Fd, target: ProxyTarget, log: Logger): Promise<PortProxy> {
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => relay(client, target, open))
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

function relay(client: Socket, { address, port }: ProxyTarget, open: Set<Socket>): void {
  const container = connect({ host: address, port, allowHalfOpen: true, noDelay: true })
  for (const [from, to] of [
    [client, container],
    [container, client],
  ] as const) {
    open.add(from)
    from.pipe(to)
    // a refused or broken connection must look so from the other side too
    from.on('error', () => to.resetAndDestroy())
    from.on('close', () => open.delete(from))
  }
}
