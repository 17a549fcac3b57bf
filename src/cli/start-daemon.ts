/** Starts the daemon when somebody with the right to do so needs it and it is not there. */
import { spawn } from 'node:child_process'
import { mkdirSync, openSync, readFileSync, statSync, watch } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { TsnetError } from '../errors.ts'
import { defaultHost, type Host } from './host.ts'

const logFile = '/var/log/tsnet.log'
const patience = 20_000

/**
 * Called with the error of a failed connection. Returns true when a daemon listens now, false when it is not for us to
 * start one; throws when it was and did not work.
 */
export async function startDaemon(host: Host, error: NodeJS.ErrnoException): Promise<boolean> {
  const isAbsent = error.code === 'ENOENT' || error.code === 'ECONNREFUSED'
  if (host.text !== defaultHost || !isAbsent) return false
  if (process.getuid?.() !== 0) {
    const wanted = 'start it as root (any tsnet command does), or name another one with -H or TSNET_HOST'
    throw new TsnetError('unavailable', 'daemon', `no tsnet daemon is running at ${host.text}: ${wanted}`)
  }
  const socket = (host.connect as { socketPath: string }).socketPath
  const logged = fileSize(logFile)
  const outcome = await launch()
  if (outcome === 'ready') return true
  const words = readFileSync(logFile).subarray(logged).toString().trimEnd()
  // Another client has been faster: its daemon will listen in a moment.
  const isBeaten = outcome === 'ended' && words.includes('in use by another tsnet daemon')
  if (isBeaten && (await waitForSocket(socket))) return true
  throw new TsnetError('unavailable', 'daemon', describeFailure(outcome, words))
}

/** `late` after 20 seconds without a word. The daemon writes a line to the descriptor in TSNET_READY_FD once it listens. */
function launch(): Promise<'ready' | 'ended' | 'late'> {
  mkdirSync(dirname(logFile), { recursive: true })
  const log = openSync(logFile, 'a', 0o640)
  const daemon = spawn(process.execPath, [daemonProgram()], {
    cwd: '/',
    detached: true,
    env: { ...process.env, TSNET_READY_FD: '3' },
    stdio: ['ignore', log, log, 'pipe'],
  })
  const ready = daemon.stdio[3]!
  return new Promise((resolve) => {
    const late = setTimeout(() => settle('late'), patience)
    const settle = (outcome: 'ready' | 'ended' | 'late') => {
      clearTimeout(late)
      ready.destroy()
      daemon.unref()
      resolve(outcome)
    }
    ready.once('data', () => settle('ready'))
    ready.once('end', () => settle('ended'))
    daemon.once('error', () => settle('ended'))
  })
}

/** Beside this program: the bundle's neighbour, or the source's when run from there. */
function daemonProgram(): string {
  const own = process.argv[1]!
  return own.endsWith('.ts') ? `${dirname(dirname(own))}/daemon.ts` : `${dirname(own)}/daemon.mjs`
}

async function waitForSocket(path: string): Promise<boolean> {
  mkdirSync(dirname(path), { recursive: true })
  return new Promise((resolve) => {
    const settle = (isThere: boolean) => {
      clearTimeout(late)
      watcher.close()
      resolve(isThere)
    }
    const tryOnce = async () => {
      if (await canConnect(path)) settle(true)
    }
    const late = setTimeout(() => settle(false), patience)
    const watcher = watch(dirname(path), tryOnce)
    // It may have come before the watch began.
    void tryOnce()
  })
}

function canConnect(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

function describeFailure(outcome: 'ended' | 'late', words: string): string {
  const what =
    outcome === 'late' ? `was not ready within ${patience / 1000} seconds` : 'ended while it was starting'
  return [`the tsnet daemon ${what}; the last lines of ${logFile}:`, ...words.split('\n').slice(-5)].join(
    '\n',
  )
}

function fileSize(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
