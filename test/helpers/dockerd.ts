/** A real dockerd to compare with: own roots, own network, mount and process namespaces, nothing left behind. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  watch,
} from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { addBareNetns } from './bare-netns.ts'

const patience = 60_000

export interface Dockerd extends AsyncDisposable {
  readonly socket: string
  /** a name for `ip netns exec` */
  readonly netns: string
  /** of a process in its mount namespace */
  readonly pid: number
  /** Kills it with all its containers, and starts it again on the same roots. */
  restart(): Promise<void>
  stop(): Promise<void>
}

export interface Surroundings {
  /** A network namespace that is there already, and stays. */
  readonly netns?: string
  /** A directory that it sees as /run/docker/plugins. */
  readonly plugins?: string
}

/**
 * Starts Debian's dockerd in a new network namespace in which only the loopback interface is up. Resolves when it answers;
 * throws with its log when it does not.
 */
export async function startDockerd(
  flags: readonly string[] = [],
  { netns: shared, plugins = '' }: Surroundings = {},
): Promise<Dockerd> {
  const root = mkdtempSync(join(tmpdir(), 'tsnet-dockerd-'))
  const netns = shared ?? basename(root)
  const socket = join(root, 'docker.sock')
  if (shared === undefined) addBareNetns(netns)
  let daemon = spawnDaemon(root, netns, socket, flags, plugins)
  const stop = async (): Promise<void> => {
    await endDaemon(daemon)
    clearAway(root)
    if (shared === undefined) execFileSync('ip', ['netns', 'del', netns])
  }
  try {
    await ready(daemon, root, socket)
  } catch (error) {
    const failure = notReady(root, error)
    await stop()
    throw failure
  }
  return {
    socket,
    netns,
    get pid() {
      return firstInside(daemon)
    },
    async restart() {
      await endDaemon(daemon)
      // What is in them are numbers of processes, which others have by now.
      for (const left of ['pid', 'docker.sock', 'exec'])
        rmSync(join(root, left), { recursive: true, force: true })
      daemon = spawnDaemon(root, netns, socket, flags, plugins)
      await ready(daemon, root, socket).catch((error: unknown) => {
        throw notReady(root, error)
      })
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/**
 * The shell is the first process of its namespace, reaps what containerd orphans, and takes all of it down with it. What dockerd
 * writes to /run outside its roots goes to a file system that vanishes too.
 */
function spawnDaemon(
  root: string,
  netns: string,
  socket: string,
  flags: readonly string[],
  plugins: string,
): ChildProcess {
  const script = `
    mount -t tmpfs -o mode=755 tmpfs /run
    if [ -n "$PLUGINS" ]; then mkdir -p /run/docker/plugins; mount --bind "$PLUGINS" /run/docker/plugins; fi
    trap 'kill -TERM $daemon' TERM
    /usr/sbin/dockerd "$@" & daemon=$!
    while kill -0 $daemon 2>/dev/null; do wait $daemon; done`
  const inside = [
    'unshare',
    '--mount',
    '--propagation',
    'private',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
  ]
  const dockerd = [
    ...['-H', `unix://${socket}`, '--cgroup-parent', `/${basename(root)}`],
    ...['--data-root', join(root, 'data'), '--exec-root', join(root, 'exec'), '--pidfile', join(root, 'pid')],
  ]
  const log = openSync(join(root, 'log'), 'a')
  const command = [`--net=/run/netns/${netns}`, ...inside, 'sh', '-c', script, 'sh', ...dockerd, ...flags]
  const child = spawn('nsenter', command, {
    stdio: ['ignore', log, log],
    env: { ...process.env, PLUGINS: plugins },
  })
  closeSync(log)
  return child
}

function notReady(root: string, error: unknown): Error {
  const log = readFileSync(join(root, 'log'), 'utf8')
  return new Error(`dockerd did not start: ${(error as Error).message}\n${log}`)
}

/** dockerd makes its socket early and answers on it when everything else is done. */
async function ready(daemon: ChildProcess, root: string, socket: string): Promise<void> {
  const signal = AbortSignal.timeout(patience)
  const ended = once(daemon, 'exit').then(() => {
    throw new Error('it ended')
  })
  const answered = socketAppears(root, signal).then(() => answers(socket, signal))
  await Promise.race([answered, ended])
  ended.catch(() => {})
}

function socketAppears(root: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const watcher = watch(root, { signal }, () => {
      if (!readdirSync(root).includes('docker.sock')) return
      watcher.close()
      resolve()
    })
    signal.addEventListener('abort', () => reject(new Error('it made no socket in time')))
  })
}

/** The socket's file is there a moment before it listens. */
async function answers(socketPath: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      return await ping(socketPath, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') throw error
      await sleep(20, undefined, { signal })
    }
  }
}

function ping(socketPath: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: '/_ping', signal }, (answer) => {
      answer.resume()
      resolve()
    })
    asked.on('error', reject)
    asked.end()
  })
}

async function endDaemon(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode === null && daemon.signalCode === null) {
    const ended = once(daemon, 'exit')
    process.kill(firstInside(daemon), 'SIGKILL')
    await ended
  }
}

function clearAway(root: string): void {
  for (const hierarchy of readdirSync('/sys/fs/cgroup'))
    removeCgroups(join('/sys/fs/cgroup', hierarchy, basename(root)))
  rmSync(root, { recursive: true, force: true })
}

/**
 * The first process of the namespace, which is waited for until all the others, and with them the containers, are gone; unshare(1)
 * waits for it in turn. Were unshare itself killed, they would still be on their way out.
 */
function firstInside({ pid }: ChildProcess): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return Number(children === '' ? pid : children)
}

/** Cgroups go from the innermost out, once empty; their files are not there to be removed. */
function removeCgroups(path: string): void {
  let entries: string[]
  try {
    entries = readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
  } catch {
    return
  }
  for (const name of entries) removeCgroups(join(path, name))
  rmdirSync(path)
}
