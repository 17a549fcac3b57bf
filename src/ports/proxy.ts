/**
 * What the kernel cannot translate goes through the daemon: an IPv6 host address before a container that has only IPv4
 * (or the reverse), and ::1. The container sees the host as the client. An idle proxy is one descriptor: what it needs beside is
 * made when its first client comes.
 */
import { BlockList } from 'node:net'
import { errorMessage } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Fd } from '../sys/fd.ts'
import type { Sleeper, SocketWatch } from '../sys/socket-watch.ts'
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

/** What the proxies of a range have in common. */
export interface ProxiedRange {
  readonly protocol: 'tcp' | 'udp'
  /** Of the sockets. */
  readonly family: 4 | 6
  /** The container's. */
  readonly address: string
  /** Whether a client's address may use it. */
  readonly admits: (address: string) => boolean
  /** When the port was published, by Date.now(): the program behind it may need a moment to listen. */
  readonly publishedAt: number
  readonly log: Logger
}

export interface ProxyOptions extends Omit<ProxiedRange, 'protocol' | 'address'> {
  readonly target: ProxyTarget
  /** Through which sockets without an object of Node's wait. */
  readonly watch: SocketWatch
}

/** A proxy on a bound socket, which it takes over: small until its first client comes, as there may be thousands. */
export class SleepingProxy implements PortProxy, Sleeper {
  readonly #watch: SocketWatch
  readonly #range: ProxiedRange
  readonly #port: number
  #holds: Fd | PortProxy
  #state: 'asleep' | 'awake' | 'closed' = 'asleep'

  constructor(fd: Fd, watch: SocketWatch, range: ProxiedRange, port: number) {
    this.#holds = fd
    this.#watch = watch
    this.#range = range
    this.#port = port
    watch.add(fd, this)
  }

  wake(fd: Fd): void {
    this.#state = 'awake'
    const { protocol, address, log, ...rest } = this.#range
    const target = { address, port: this.#port }
    const serve = protocol === 'tcp' ? serveTcpProxy : serveUdpProxy
    serve(fd, { ...rest, target, watch: this.#watch, log }).then(
      (proxy) => {
        if (this.#state === 'closed') proxy.close()
        else this.#holds = proxy
      },
      (error: unknown) => log.warn({ err: errorMessage(error), target }, 'a port proxy failed'),
    )
  }

  close(): void {
    if (this.#state === 'asleep') this.#watch.remove(this.#holds as Fd)
    this.#state = 'closed'
    this.#holds.close()
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
