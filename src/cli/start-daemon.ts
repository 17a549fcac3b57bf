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
  // Another client may have been faster: its daemon holds the lock, and will listen in a moment.
  if (outcome === 'ready' || (await waitForSocket(socket, outcome === 'late' ? 0 : patience / 4))) return true
  throw new TsnetError('unavailable', 'daemon', describeFailure(outcome, logged))
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

async function waitForSocket(path: string, milliseconds: number): Promise<boolean> {
  if (await canConnect(path)) return true
  if (milliseconds === 0) return false
  mkdirSync(dirname(path), { recursive: true })
  return new Promise((resolve) => {
    const settle = (isThere: boolean) => {
      clearTimeout(late)
      watcher.close()
      resolve(isThere)
    }
    const late = setTimeout(() => settle(false), milliseconds)
    const watcher = watch(dirname(path), async () => {
      if (await canConnect(path)) settle(true)
    })
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

function describeFailure(outcome: 'ended' | 'late', logged: number): string {
  const what =
    outcome === 'late' ? `did not get ready within ${patience / 1000} seconds` : 'ended while it was starting'
  const lines = readFileSync(logFile).subarray(logged).toString().trimEnd().split('\n').slice(-5)
  return [`the tsnet daemon ${what}; the last lines of ${logFile}:`, ...lines].join('\n')
}

function fileSize(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
