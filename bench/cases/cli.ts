import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Case, Contestant } from '../case.ts'
import type { Argv } from '../command.ts'
import type { Stage } from '../stage.ts'

/** Starts a client against a socket of ours and stops the clock when its first byte arrives. */
async function sampleFirstByte(stage: Stage, client: (socket: string) => Argv): Promise<number> {
  const path = join(stage.dir, 'first-byte.sock')
  const server = createServer()
  server.listen(path)
  await once(server, 'listening')
  const began = performance.now()
  const [program, ...args] = client(path)
  const child = spawn(program, args, { stdio: 'ignore' })
  const ended = once(child, 'exit')
  try {
    const [socket] = (await Promise.race([once(server, 'connection'), tooEarly(ended, program)])) as [Socket]
    await once(socket, 'data')
    const took = performance.now() - began
    socket.destroy()
    return took
  } finally {
    child.kill('SIGKILL')
    server.close()
    await ended
  }
}

async function tooEarly(ended: Promise<unknown[]>, program: string): Promise<never> {
  const [code] = await ended
  throw new Error(`${program}: ended with ${code} before it sent a byte`)
}

export default {
  name: 'cli',
  order: 50,
  title: 'Start of the client',
  about: 'From the start of `ps` in the shell’s place to its first byte on the daemon’s socket.',
  async *rows(stage) {
    const engines = await stage.engines('tsnet', 'dockerd', 'podman')
    const clients: Record<string, (socket: string) => Argv> = {
      tsnet: (socket) => [join(stage.root, 'tsnet'), '-H', `unix://${socket}`, 'ps'],
      dockerd: (socket) => ['/usr/bin/docker', '-H', `unix://${socket}`, 'ps'],
      podman: (socket) => ['podman', '--remote', '--url', `unix://${socket}`, 'ps'],
    }
    const contestants = engines.map(
      ({ name }): Contestant => ({ name, sample: () => sampleFirstByte(stage, clients[name]!) }),
    )
    yield { title: 'first byte', unit: 'ms', contestants }
  },
} satisfies Case
