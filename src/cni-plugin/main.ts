/**
 * tsnet as a CNI plugin: one request to the daemon. Without a daemon, and for networks that were made without one, it does the same by
 * itself (alone.ts). It has no more than that: most of the time that it takes is the start of Node.
 */
import { existsSync, readFileSync, writeSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { formatFailure } from '../cni/failure.ts'
import { knownVersions } from '../cni/version.ts'
import type { PodCall } from '../engine/pods/config.ts'
import { TsnetError } from '../errors.ts'

const env = process.env

/** Where networks and pods are noted that were made without a daemon. */
const defaultState = '/var/lib/cni/tsnet'
/** Milliseconds: a daemon that is stuck is not to keep the runtime, which may have no deadline of its own. */
const patience = 45_000
const defaultHost = 'unix:///run/tsnet/tsnet.sock'

function readCall(): PodCall {
  let config: unknown
  try {
    config = JSON.parse(readFileSync(0, 'utf8') || 'null')
  } catch (error) {
    throw new TsnetError(
      'invalid',
      'bad-cni-config',
      `standard input is no JSON: ${(error as Error).message}`,
    )
  }
  if (typeof config !== 'object' || config === null) {
    throw new TsnetError('invalid', 'bad-cni-config', 'standard input is no network configuration of CNI')
  }
  return {
    command: env['CNI_COMMAND'] ?? '',
    containerId: env['CNI_CONTAINERID'] ?? '',
    netns: env['CNI_NETNS'] ?? '',
    interfaceName: env['CNI_IFNAME'] ?? '',
    args: env['CNI_ARGS'] ?? '',
    config: config as PodCall['config'],
  }
}

interface Answer {
  readonly isSuccess: boolean
  readonly text: string
}

/** Null when no daemon answers there. */
function askDaemon(path: string, call: PodCall): Promise<Answer | null> {
  const body = JSON.stringify({
    Command: call.command,
    ContainerID: call.containerId,
    Netns: call.netns,
    IfName: call.interfaceName,
    Args: call.args,
    Config: call.config,
  })
  const head = `POST /tsnet/v1/cni HTTP/1.1\r\nHost: tsnet\r\nConnection: close\r\nContent-Type: application/json\r\n`
  const { promise, resolve, reject } = Promise.withResolvers<Answer | null>()
  let text = ''
  const socket = createConnection(path, () =>
    socket.write(`${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`),
  )
  const late = (): void =>
    reject(
      new TsnetError(
        'unavailable',
        'daemon',
        `the daemon at ${path} has no answer within ${patience / 1000} s`,
      ),
    )
  setTimeout(late, patience).unref()
  socket.setEncoding('utf8')
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (error.syscall === 'connect' && ['ENOENT', 'ECONNREFUSED'].includes(error.code ?? '')) resolve(null)
    else reject(new TsnetError('unavailable', 'daemon', `the daemon at ${path}: ${error.message}`))
  })
  socket.on('end', () => {
    const [, status = '', rest = ''] = /^HTTP\/1\.1 (\d+).*?\r\n\r\n(.*)$/s.exec(text) ?? []
    if (status === '') reject(new TsnetError('unavailable', 'daemon', `the daemon at ${path} broke off`))
    else resolve({ isSuccess: status === '200', text: rest })
  })
  return promise
}

/** A network that was made without a daemon is not the daemon's until its last pod has gone. */
async function answer(call: PodCall): Promise<Answer> {
  const { name, stateDir, host } = call.config
  const state = typeof stateDir === 'string' ? stateDir : defaultState
  const url = String(host ?? env['TSNET_HOST'] ?? defaultHost)
  const isAlone = existsSync(join(state, 'networks', `${name}.json`))
  const told = isAlone ? null : await askDaemon(url.replace(/^unix:\/\//, ''), call)
  if (told !== null) return told
  enableCompileCache(join(import.meta.dirname, '.cache'))
  const { answerAlone } = (await import(
    join(import.meta.dirname, 'cni-alone.cjs')
  )) as typeof import('./alone.ts')
  const { isSuccess, printed } = await answerAlone(state, call)
  return { isSuccess, text: JSON.stringify(printed) }
}

async function main(): Promise<Answer> {
  if (env['CNI_COMMAND'] === 'VERSION') {
    // A runtime that writes is not to find the pipe closed.
    readFileSync(0)
    const versions = { cniVersion: knownVersions.at(-1), supportedVersions: knownVersions }
    return { isSuccess: true, text: JSON.stringify(versions) }
  }
  let version = ''
  try {
    const call = readCall()
    version = String(call.config['cniVersion'] ?? '')
    return await answer(call)
  } catch (error) {
    return { isSuccess: false, text: JSON.stringify(formatFailure(version, error)) }
  }
}

main().then(({ isSuccess, text }) => {
  const code = isSuccess ? 0 : 1
  // What process.stdout stands on takes milliseconds to load.
  if (text !== '' && text !== 'null') writeSync(1, `${text}\n`)
  process.exit(code)
})
