/** Programs that tell who talks to whom: servers in containers, clients in any network namespace. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestClient } from './client.ts'
import { run } from './daemon.ts'

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

/** Prints what it is told; exits with 1 when refused, with 2 when nobody answers. */
const client = `
const [protocol, address, port, local] = process.argv.slice(1)
setTimeout(() => process.exit(2), 1000)
const print = (text) => { process.stdout.write(String(text)); process.exit() }
const refuse = (error) => { process.stdout.write(error.code); process.exit(1) }
if (protocol === 'tcp') {
  const options = { host: address, port: Number(port) }
  require('net').connect(options).on('data', print).on('error', refuse).on('close', () => process.exit(3))
} else {
  const socket = require('dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4')
  socket.on('message', print).on('error', refuse)
  socket.bind(Number(local ?? 0), () => {
    socket.connect(Number(port), address, () => socket.send('?'))
  })
}`

/** Mounts that let the node of this machine run in any container. */
export const nodeMounts = ['/lib', '/lib64', '/usr/lib', process.execPath].flatMap((path) => [
  '-v',
  `${path}:${path === process.execPath ? '/node' : path}:ro`,
])

/** Starts a container of the image `box` whose host name is its name, and that answers on `ports`. */
export async function startServer(
  { docker }: TestClient,
  name: string,
  ports: readonly string[],
  ...args: readonly string[]
): Promise<void> {
  const own = args.includes('host') ? [] : ['--hostname', name]
  await docker(
    ...['run', '-d', '--name', name, ...own, ...nodeMounts, ...args],
    ...['box', '/node', '-e', server, ...ports],
  )
  const listening = `cat /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6`
  const wanted = ports.map(
    (port) => `:${Number(port.split('/')[1]).toString(16).toUpperCase().padStart(4, '0')} `,
  )
  for (let attempt = 0; attempt < 100; attempt++) {
    const open = await docker('exec', name, 'sh', '-c', listening)
    if (wanted.every((port) => open.includes(port))) return
    await sleep(20)
  }
  throw new Error(`the server ${name} does not listen: ${await docker('logs', name)}`)
}

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
  const command = ['-e', client, protocol, address, String(port), String(local)]
  const { stdout } = await run('nsenter', [`--net=${netns}`, process.execPath, ...command])
  return stdout
}
