/** One connection to one server of etcd. It is given up as a whole, with all that goes on in it, once the server is silent. */
import { isIP } from 'node:net'
import type {
  Channel,
  ChannelCredentials,
  Client,
  ClientDuplexStream,
  Metadata,
  ServiceError,
} from '@grpc/grpc-js'
import type { Host } from 'etcd3/lib/connection-pool.js'
import { type Calls, type Method, type Protocol, serviceOf } from './protocol.ts'

/** No answer within the time given, in milliseconds. */
export class Unanswered extends Error {
  /** Whether nothing else came from the server either. */
  readonly isSilent: boolean

  constructor(after: number, isSilent: boolean) {
    super(`no answer within ${Math.round(after)} ms`)
    this.isSilent = isSilent
  }
}

type Callback<T> = (error: ServiceError | null, response: T) => void
type Unary = (request: unknown, metadata: Metadata, done: Callback<unknown>) => { cancel(): void }
type Streaming = (metadata: Metadata) => ClientDuplexStream<unknown, unknown>

/**
 * The session's beats find a server that has fallen silent sooner than these pings do, of which etcd allows one in 5 s. The
 * system's proxy settings are not for what is inside a cluster.
 */
const channelOptions = {
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 3_000,
  'grpc.max_receive_message_length': -1,
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.use_local_subchannel_pool': 1,
}

/** TLS has names for servers, and Node refuses to put an address in the place of one. The certificate is compared with the address. */
const namelessOptions = { 'grpc.ssl_target_name_override': 'etcd.invalid' }

/** Of host:port, IPv6 without its brackets. */
export function hostOf(server: string): string {
  return server.slice(0, server.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}

export class Connection {
  /** host:port */
  readonly server: string
  readonly #protocol: Protocol
  readonly #channel: Channel
  readonly #host: Host
  /** When the server has answered last. */
  #heard = 0
  /** Calls and streams, and what ends each of them with an error. */
  readonly #running = new Map<{ cancel(): void }, (error: unknown) => void>()

  constructor(protocol: Protocol, server: string, credentials: ChannelCredentials) {
    this.server = server
    this.#protocol = protocol
    const options = isIP(hostOf(server)) === 0 ? channelOptions : { ...channelOptions, ...namelessOptions }
    this.#channel = new protocol.grpc.Channel(server, credentials, options)
    // all services share one connection
    this.#host = new protocol.Host(server, credentials, { channelOverride: this.#channel } as object)
  }

  /** Throws a ServiceError, or Unanswered. */
  call<M extends Method>(
    method: M,
    request: Calls[M]['request'],
    token: string,
    patience: number,
  ): Promise<Calls[M]['response']> {
    return method === 'leaseKeepAlive'
      ? this.#exchange(method, request, token, patience)
      : this.#unary(method, request, token, patience)
  }

  async #unary<M extends Method>(
    method: M,
    request: Calls[M]['request'],
    token: string,
    patience: number,
  ): Promise<Calls[M]['response']> {
    const { promise, resolve, reject } = Promise.withResolvers<Calls[M]['response']>()
    const client = this.#client(serviceOf[method])
    const call = client[method]!(request, this.#metadata(token), (error, response) =>
      error === null ? resolve(response as Calls[M]['response']) : reject(error),
    )
    return await this.#inTime(call, promise, reject, patience)
  }

  /** One request and one answer in a stream of their own. */
  async #exchange<M extends Method>(
    method: M,
    request: Calls[M]['request'],
    token: string,
    patience: number,
  ): Promise<Calls[M]['response']> {
    const { promise, resolve, reject } = Promise.withResolvers<Calls[M]['response']>()
    const stream = this.stream(serviceOf[method], method, token)
    stream.on('data', resolve)
    stream.on('error', reject)
    stream.on('end', () => reject(new Error('the stream ended')))
    stream.write(request)
    try {
      return await this.#inTime(stream, promise, reject, patience)
    } finally {
      stream.cancel()
    }
  }

  /** By a timer of Node's: gRPC's own deadlines are of the wall clock, which may be set. */
  async #inTime<T>(
    call: { cancel(): void },
    answer: Promise<T>,
    reject: (error: unknown) => void,
    patience: number,
  ): Promise<T> {
    const timer = setTimeout(() => {
      reject(new Unanswered(patience, performance.now() - this.#heard >= patience))
      call.cancel()
    }, patience)
    this.#running.set(call, reject)
    try {
      const response = await answer
      this.#heard = performance.now()
      return response
    } finally {
      clearTimeout(timer)
      this.#running.delete(call)
    }
  }

  /** An open stream; it ends with an error when the connection is given up. */
  stream(
    service: 'Watch' | (typeof serviceOf)[Method],
    method: string,
    token: string,
  ): ClientDuplexStream<unknown, unknown> {
    const client = this.#client<Streaming>(service)
    const stream = client[method]!(this.#metadata(token))
    stream.on('data', () => {
      this.#heard = performance.now()
    })
    this.#running.set(stream, (error) => stream.destroy(error as Error))
    stream.once('close', () => this.#running.delete(stream))
    return stream
  }

  #client<F = Unary>(service: 'Watch' | (typeof serviceOf)[Method]): Client & Record<string, F> {
    return this.#host.getServiceClient(service) as Client & Record<string, F>
  }

  /** A server without a leader refuses at once, and ends its streams, rather than serve what may be old. */
  #metadata(token: string): Metadata {
    const metadata = new this.#protocol.grpc.Metadata()
    metadata.set('hasleader', 'true')
    if (token !== '') metadata.set('token', token)
    return metadata
  }

  /** Ends all that goes on in it with the error that was its end. */
  close(error: unknown): void {
    for (const [call, fail] of this.#running) {
      fail(error)
      call.cancel()
    }
    this.#running.clear()
    this.#channel.close()
  }
}
