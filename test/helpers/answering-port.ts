import { createServer } from 'node:net'

/** Runs `body` with a port of the loopback interface on which somebody takes connections, and ends them. */
export async function withServer<T>(body: (port: number) => Promise<T>): Promise<T> {
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    return await body((server.address() as { port: number }).port)
  } finally {
    server.close()
  }
}
