/** Programs that tell who talks to whom: servers in containers, clients in any network namespace. */
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { inNetns, openNetns } from '../../src/sys/netns.ts'
import { openInetSocket } from '../../src/sys/socket.ts'
import type { TestClient } from './client.ts'
import { giveUpAfter, readTcp } from './probe.ts'

/** Answers on each of `tcp/80 udp/53 …` with `<host name> <the client's address>`, on `talk/90` by TCP with what it is told. */
const server = `
const name = require('os').hostname()
const bare = (address) => address.replace('::ffff:', '')
for (const [protocol, port] of process.argv.slice(1).map((arg) => arg.split('/'))) {
  if (protocol === 'talk') {
    require('net').createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(Number(port), '::')
  } else if (protocol === 'tcp') {
    require('net').createServer((socket) => {
      socket.on('error', () => {})
      socket.end(name + ' ' + bare(socket.remoteAddress))
    }).listen(Number(port), '::')
  } else {
    const socket = require('dgram').createSocket('udp6')
    socket.on('message', (_, from) => socket.send(name + ' ' + bare(from.address), from.port, from.address))
    socket.bind(Number(port), '::')
  }
}`

/** Mounts that let the node of this machine run in any container. */
export const nodeMounts = ['/lib', '/lib64', '/usr/lib', process.execPath].flatMap((path) => [
  '-v',
  `${path}:${path === process.execPath ? '/node' : path}:ro`,
])

/** Starts a container of the image `box` whose host name is its name, and that answers on `ports`. */
export async function startServer(
  { docker, inspect }: TestClient,
  name: string,
  ports: readonly string[],
  ...args: readonly string[]
): Promise<void> {
  const own = args.includes('host') ? [] : ['--hostname', name]
  await docker(
    ...['run', '-d', '--name', name, ...own, ...nodeMounts, ...args],
    ...['box', '/node', '-e', server, ...ports],
  )
  const { Pid } = (await inspect('container', name)).State
  const wanted = ports.map(
    (port) => `:${Number(port.split('/')[1]).toString(16).toUpperCase().padStart(4, '0')} `,
  )
  for (let attempt = 0; attempt < 200; attempt++) {
    const open = ['tcp', 'tcp6', 'udp', 'udp6'].map((list) => readText(`/proc/${Pid}/net/${list}`)).join('')
    if (wanted.every((port) => open.includes(port))) return
    await sleep(10)
  }
  throw new Error(`the server ${name} does not listen: ${await docker('logs', name)}`)
}

/** '' for a process that has ended. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

/** Milliseconds for which an answer is waited for. */
const patience = 1000

/**
 * What a server says to a client in the namespace at `netns`; 'ECONNREFUSED' when it is refused, '' when nobody answers within a
 * second. `local` is the client's own port, for UDP.
 */
export async function ask(
  netns: string,
  protocol: 'tcp' | 'udp',
  address: string,
  port: number,
  local = 0,
): Promise<string> {
  const family = isIPv6(address) ? 6 : 4
  const type = protocol === 'tcp' ? 'stream' : 'datagram'
  const any = { family, type, address: family === 6 ? '::' : '0.0.0.0', port: local } as const
  using namespace = openNetns(netns)
  const fd = inNetns(namespace, () => openInetSocket(any)).release()
  return protocol === 'tcp' ? await askTcp(fd, address, port) : await askUdp(fd, family, address, port)
}

async function askTcp(fd: number, host: string, port: number): Promise<string> {
  try {
    return await readTcp(fd, host, port, patience)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? ''
  }
}

async function askUdp(fd: number, family: 4 | 6, host: string, port: number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const socket = createSocket(`udp${family}`)
  const stop = giveUpAfter(patience, () => resolve(''))
  socket.on('message', (data) => resolve(data.toString()))
  socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
  socket.bind({ fd }, () => socket.connect(port, host, () => socket.send('?')))
  try {
    return await promise
  } finally {
    stop()
    socket.close()
  }
}
