/**
 * One connection between two hosts, for one move. Who may write in etcd commands the cluster: a secret that stands there lets both
 * know each other (TLS with a pre-shared key, RFC 4279; ECDHE_PSK, RFC 5489, so that who learns it later reads nothing).
 */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { TsnetError } from '../../errors.ts'

/** Of TLS 1.2: the later one has its pre-shared keys for sessions alone. */
const security = {
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
} as const
const identity = 'tsnet-move'
/** milliseconds */
const patience = 10_000

export interface Listening extends Disposable {
  readonly port: number
  /** The one connection of who knows the secret. Throws kind 'unavailable' when it does not come. */
  readonly connected: Promise<TLSSocket>
}

/** Takes one connection on a port that nobody else has. */
export async function listenOnce(address: string, secret: Buffer): Promise<Listening> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>()
  promise.catch(() => {})
  const server = createServer({
    ...security,
    pskCallback: (_, name) => (name === identity ? secret : null),
  })
  const close = (): void => {
    clearTimeout(timer)
    server.close()
  }
  const timer = setTimeout(() => {
    close()
    reject(
      new TsnetError(
        'unavailable',
        'move-interrupted',
        'the host that wanted to move a container has not come',
      ),
    )
  }, patience)
  server.once('secureConnection', (socket) => {
    close()
    resolve(socket)
  })
  server.listen({ host: address, port: 0 })
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, connected: promise, [Symbol.dispose]: close }
}

/** Throws kind 'unavailable' with the address when there is no way to it. */
export async function connectOnce(address: string, port: number, secret: Buffer): Promise<TLSSocket> {
  const socket = connect({
    ...security,
    host: address,
    port,
    pskCallback: () => ({ psk: secret, identity }),
    // There is no certificate: the secret tells who it is.
    checkServerIdentity: () => undefined,
  })
  try {
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(patience) })
    return socket
  } catch (cause) {
    socket.destroy()
    const why = cause instanceof Error && cause.name !== 'AbortError' ? cause.message : 'no answer'
    throw new TsnetError(
      'unavailable',
      'host-unreachable',
      `${address} cannot be reached at TCP port ${port}: ${why}`,
      { cause },
    )
  }
}
