/**
 * What the kernel cannot translate goes through the daemon: an IPv6 host address before a container that has only IPv4
 * (or the reverse), and ::1. The container sees the host as the client. An idle proxy is one descriptor: what it needs beside is
 * made when its first client comes.
 */
import { BlockList } from 'node:net'
import { errorMessage } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Fd } from '../sys/fd.ts'
import type { SocketWatch } from '../sys/socket-watch.ts'
import { serveTcpProxy } from './tcp-proxy.ts'
import { serveUdpProxy } from './udp-proxy.ts'

export interface ProxyTarget {
  readonly address: string
  readonly port: number
}

export interface PortProxy {
  /** Ends the connections under way too. */
  close(): void
}

export interface ProxyOptions {
  readonly protocol: 'tcp' | 'udp'
  /** Of the socket. */
  readonly family: 4 | 6
  readonly target: ProxyTarget
  /** Whether a client's address may use it. */
  readonly admits: (address: string) => boolean
  /** When the port was published, by Date.now(): the program behind it may need a moment to listen. */
  readonly publishedAt: number
  readonly log: Logger
}

/** A proxy on a bound socket, which it takes over. */
export function openProxy(fd: Fd, watch: SocketWatch, options: ProxyOptions): PortProxy {
  let holds: { close(): void } = {
    close() {
      watch.remove(fd)
      fd.close()
    },
  }
  let isClosed = false

  async function wake(): Promise<void> {
    holds = fd
    const serve = options.protocol === 'tcp' ? serveTcpProxy : serveUdpProxy
    const proxy = await serve(fd, options)
    if (isClosed) proxy.close()
    else holds = proxy
  }

  watch.add(fd, () => {
    wake().catch((error: unknown) => {
      options.log.warn({ err: errorMessage(error), target: options.target }, 'a port proxy failed')
    })
  })
  return {
    close() {
      isClosed = true
      holds.close()
    },
  }
}

/** Tests clients' addresses against CIDRs; none admit everybody. */
export function admission(sources: readonly string[]): ProxyOptions['admits'] {
  if (sources.length === 0) return () => true
  const list = new BlockList()
  for (const source of sources) {
    const [address = '', prefix = ''] = source.split('/')
    list.addSubnet(address, Number(prefix), address.includes(':') ? 'ipv6' : 'ipv4')
  }
  return (client) => {
    const address = client.replace(/^::ffff:(?=\d+\.)/, '')
    return list.check(address, address.includes(':') ? 'ipv6' : 'ipv4')
  }
}
