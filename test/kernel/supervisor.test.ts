/** The daemon's client against the built supervisor. Programs run on the host's files: only what supervisor and init do is tested. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { InitPlan } from '../../src/init/steps.ts'
import { createLogger } from '../../src/log.ts'
import { Supervisor } from '../../src/supervisor/client.ts'
import {
  childDir,
  type ExitRecord,
  type StartParams,
  type StreamRequest,
  socketPath,
} from '../../src/supervisor/protocol.ts'
import { repository } from '../helpers/daemon.ts'
import { eventually } from '../helpers/eventually.ts'

let execRoot = ''
let supervisor: Supervisor
let exits: ExitRecord[] = []
let replaced = 0
let onChange: () => void = () => {}

const connectSupervisor = (): Promise<Supervisor> =>
  Supervisor.connect({
    execRoot,
    program: join(repository, 'dist/supervisor.mjs'),
    initPool: 1,
    log: createLogger('silent'),
    onExit: (exit) => {
      exits.push(exit)
      onChange()
    },
    onReplaced: () => {
      replaced++
      onChange()
    },
  })

/** Waits for what the supervisor tells to make `is` true. */
async function until(is: () => boolean): Promise<void> {
  while (!is()) {
    await new Promise<void>((resolve) => {
      onChange = resolve
    })
  }
}

beforeEach(async () => {
  execRoot = mkdtempSync(join(tmpdir(), 'tsnet-supervisor-'))
  exits = []
  replaced = 0
  supervisor = await connectSupervisor()
})

afterEach(async () => {
  const { running } = await supervisor.call('list', null)
  for (const { id } of running) await supervisor.call('signal', { id, signal: 9 })
  await until(() => running.every(({ id }) => exits.some((exit) => exit.id === id)))
  const pid = supervisorPid()
  expect(await supervisor.call('shutdown', null)).toEqual({ stopping: true })
  await supervisor.close(false)
  while (existsSync(`/proc/${pid}`)) await new Promise((resolve) => setTimeout(resolve, 5))
  expect(readFileSync(join(execRoot, 'supervisor.log'), 'utf8')).toBe('')
  rmSync(execRoot, { recursive: true })
})

/** The process that listens on our socket, found by its command line. */
function supervisorPid(): number {
  const found = readdirSync('/proc').find(
    (pid) =>
      /^\d+$/.test(pid) &&
      existsSync(`/proc/${pid}/cmdline`) &&
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`--exec-root\0${execRoot}\0`),
  )
  if (found === undefined) throw new Error(`no supervisor runs for ${execRoot}`)
  return Number(found)
}

function planOf(script: string, steps: InitPlan['steps'] = [{ op: 'isolate' }]): InitPlan {
  return {
    steps,
    program: {
      argv: ['/bin/busybox', 'sh', '-c', script],
      env: ['PATH=/usr/bin:/bin'],
      workingDir: '/',
      user: '',
      groups: [],
      capabilities: ['KILL'],
      noNewPrivileges: false,
      seccomp: '',
      rlimits: [],
      oomScoreAdj: 0,
    },
  }
}

function params(id: string, script: string, change: Partial<StartParams['stdio']> = {}): StartParams {
  return {
    id,
    plan: planOf(script),
    stdio: { tty: false, stdin: false, stdinOnce: false, log: join(execRoot, `${id}.log`), ...change },
    rows: 0,
    columns: 0,
  }
}

const streamOf = (stream: string, change: Partial<StreamRequest> = {}): StreamRequest => ({
  stream,
  stdin: false,
  stdout: true,
  stderr: true,
  tty: true,
  detachKeys: [],
  ...change,
})

const exited = async (id: string): Promise<number> => {
  await until(() => exits.some((exit) => exit.id === id))
  return exits.find((exit) => exit.id === id)?.exitCode ?? -1
}

function logged(id: string): string {
  const lines = readFileSync(join(execRoot, `${id}.log`), 'utf8')
    .trim()
    .split('\n')
  return lines.map((line) => (line === '' ? '' : (JSON.parse(line) as { log: string }).log)).join('')
}

/** Frames without their headers. */
function payload(frames: Buffer): string {
  let text = ''
  for (let at = 0; at < frames.length; ) {
    const length = frames.readUInt32BE(at + 4)
    text += frames.toString('utf8', at + 8, at + 8 + length)
    at += 8 + length
  }
  return text
}

async function readUntil(stream: Socket, wanted: string): Promise<string> {
  let text = ''
  while (!text.includes(wanted)) {
    const chunk = stream.read() as Buffer | null
    if (chunk === null) await new Promise((resolve) => stream.once('readable', resolve))
    else text += chunk.toString()
  }
  return text
}

describe('a program', () => {
  test('is started, announced when it ends, and forgotten when that has been recorded', async () => {
    const { pid } = await supervisor.call('start', params('one', 'echo out; echo err >&2; exit 7'))
    expect(pid).toBeGreaterThan(1)
    expect(await exited('one')).toBe(7)
    expect(logged('one').split('\n').sort().join(' ')).toBe(' err out')
    expect(await supervisor.call('list', null)).toEqual({ running: [], exited: [exits[0]] })
    expect(Date.parse(exits[0]?.finishedAt ?? '')).toBeGreaterThan(Date.now() - 60_000)
    await supervisor.call('forget', { id: 'one' })
    expect(await supervisor.call('list', null)).toEqual({ running: [], exited: [] })
    expect(existsSync(childDir(execRoot, 'one'))).toBe(false)
  })

  test('that is killed ends with 128 and the signal’s number', async () => {
    await supervisor.call('start', params('one', 'while :; do sleep 1; done'))
    await supervisor.call('signal', { id: 'one', signal: 9 })
    expect(await exited('one')).toBe(137)
    await expect(supervisor.call('signal', { id: 'one', signal: 9 })).rejects.toMatchObject({
      kind: 'conflict',
      code: 'child-gone',
    })
  })

  test('can be entered while it runs, and no process beside it, nor is anything left of the attempt', async () => {
    const { pid } = await supervisor.call('start', params('one', 'sleep 0.2'))
    const entry = (into: number) => ({ ...params('two', 'true'), into })
    await expect(supervisor.call('exec', entry(process.pid))).rejects.toMatchObject({ code: 'child-gone' })
    expect(await exited('one')).toBe(0)
    await expect(supervisor.call('exec', entry(pid))).rejects.toMatchObject({ code: 'child-gone' })
    expect(existsSync(childDir(execRoot, 'two'))).toBe(false)
  })

  test('that is not there fails the start with what a shell says, and nothing is left', async () => {
    const missing = params('one', '')
    const plan = { ...missing.plan, program: { ...missing.plan.program, argv: ['nothing'] } }
    const stream = await supervisor.attach(streamOf('one'))
    await expect(supervisor.call('start', { ...missing, plan })).rejects.toMatchObject({
      kind: 'invalid',
      code: 'start-failed',
      exitCode: 127,
      message: 'exec: "nothing": executable file not found in $PATH',
    })
    expect(await buffer(stream)).toHaveLength(0)
    stream.destroy()
    expect(await supervisor.call('list', null)).toEqual({ running: [], exited: [] })
    expect(existsSync(childDir(execRoot, 'one'))).toBe(false)
    // The name is free for another try.
    await supervisor.call('start', params('one', 'true'))
    expect(await exited('one')).toBe(0)
  })

  test('whose log cannot be opened is not started, and no init is left waiting for it', async () => {
    const nowhere = params('one', 'true', { log: '/nonexistent/log' })
    await expect(supervisor.call('start', nowhere)).rejects.toThrow('ENOENT')
    expect(await supervisor.call('list', null)).toEqual({ running: [], exited: [] })
    expect(existsSync(childDir(execRoot, 'one'))).toBe(false)
  })

  test('is started once', async () => {
    await supervisor.call('start', params('one', 'while :; do sleep 1; done'))
    await expect(supervisor.call('start', params('one', 'true'))).rejects.toMatchObject({
      kind: 'conflict',
      code: 'child-exists',
    })
    expect((await supervisor.call('list', null)).running.map(({ id }) => id)).toEqual(['one'])
  })
})

describe('a client', () => {
  test('that attaches before the start gets all, and its input arrives with its end', async () => {
    const stream = await supervisor.attach(streamOf('one', { stdin: true }))
    stream.end('typed early')
    await supervisor.call('start', params('one', 'cat; echo " and done"', { stdin: true, stdinOnce: true }))
    expect(await exited('one')).toBe(0)
    await supervisor.call('forget', { id: 'one' })
    expect(payload(await buffer(stream))).toBe('typed early and done\n')
  })

  test('that reads late loses nothing of a program that has ended', async () => {
    const stream = await supervisor.attach(streamOf('one'))
    await supervisor.call('start', params('one', 'head -c 50000 /dev/zero | tr "\\0" x', { log: '' }))
    expect(await exited('one')).toBe(0)
    await supervisor.call('forget', { id: 'one' })
    expect(payload(await buffer(stream))).toBe('x'.repeat(50_000))
  })

  test('has the program’s terminal, with the size it says', async () => {
    const stream = await supervisor.attach(streamOf('one', { stdin: true }))
    const tty = params('one', 'read line; busybox stty size; tty', { tty: true, stdin: true })
    const steps = [{ op: 'isolate' }, { op: 'terminal', number: null, console: false }] as const
    await supervisor.call('start', { ...tty, plan: { ...tty.plan, steps } })
    await supervisor.call('resize', { id: 'one', rows: 33, columns: 111 })
    stream.write('go\n')
    expect(await readUntil(stream, '/dev/pts/')).toMatch(/33 111\r\n\/dev\/pts\//)
    stream.destroy()
    expect(await exited('one')).toBe(0)
    // With a terminal, too, what a successor needs is on disk.
    expect(readdirSync(childDir(execRoot, 'one')).sort()).toEqual(['child.json', 'exit.json'])
  })

  test('that speaks no JSON does not end the supervisor', async () => {
    const stranger = connect(socketPath(execRoot))
    const closed = new Promise((resolve) => stranger.once('close', resolve))
    stranger.on('error', () => {})
    stranger.write('GET / HTTP/1.1\r\n\r\n')
    await closed
    expect(await supervisor.call('list', null)).toEqual({ running: [], exited: [] })
    expect(replaced).toBe(0)
  })
})

test('an exec joins the namespaces of its container', async () => {
  const { pid } = await supervisor.call(
    'start',
    params('one', 'trap "exit 7" TERM; while :; do sleep 0.05; done'),
  )
  const script = 'readlink /proc/self/ns/mnt; readlink /proc/self/ns/pid; kill -TERM 1'
  const plan = planOf(script, [{ op: 'join-container', pid }])
  const namespaces = ['mnt', 'pid'].map((kind) => readlinkSync(`/proc/${pid}/ns/${kind}`))
  const stream = await supervisor.attach(streamOf('exec'))
  await supervisor.call('exec', { ...params('exec', ''), plan, into: pid })
  expect(await exited('one')).toBe(7)
  await exited('exec')
  await supervisor.call('forget', { id: 'exec' })
  expect(
    payload(await buffer(stream))
      .trim()
      .split('\n'),
  ).toEqual(namespaces)
})

test('a supervisor with programs does not stop when asked', async () => {
  await supervisor.call('start', params('one', 'while :; do sleep 1; done'))
  expect(await supervisor.call('shutdown', null)).toEqual({ stopping: false })
})

test('a daemon that comes again finds what ran and what ended meanwhile', async () => {
  await supervisor.call('start', params('one', 'while :; do sleep 1; done'))
  await supervisor.call('start', params('two', 'exit 5'))
  await exited('two')
  await supervisor.close(true)
  supervisor = await connectSupervisor()
  const { running, exited: ended } = await supervisor.call('list', null)
  expect(running.map(({ id }) => id)).toEqual(['one'])
  expect(ended.map(({ id, exitCode }) => [id, exitCode])).toEqual([['two', 5]])
})

describe('a supervisor that was killed', () => {
  test('is replaced; its programs go on, their output and endings are seen', async () => {
    const script = 'echo before; while [ ! -e "$0" ]; do sleep 0.02; done; echo after'
    const flag = join(execRoot, 'flag')
    const started = params('one', script)
    const program = { ...started.plan.program, argv: [...started.plan.program.argv, flag] }
    const { pid } = await supervisor.call('start', { ...started, plan: { ...started.plan, program } })
    // What it has read and not yet written dies with it.
    await eventually(() => expect(logged('one')).toBe('before\n'))
    process.kill(supervisorPid(), 'SIGKILL')
    await until(() => replaced === 1)
    expect((await supervisor.call('list', null)).running).toMatchObject([{ id: 'one', pid }])
    mkdirSync(flag)
    // Nobody's child by now: how it ended is not known.
    expect(await exited('one')).toBe(255)
    expect(logged('one')).toBe('before\nafter\n')
  })

  test('fails the calls that wait for it, and the next ones work', async () => {
    await supervisor.call('start', params('one', 'while :; do sleep 1; done'))
    const pid = supervisorPid()
    process.kill(pid, 'SIGSTOP')
    const call = supervisor.call('list', null)
    process.kill(pid, 'SIGKILL')
    await expect(call).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'supervisor-lost',
      message: 'the supervisor died during "list": try again',
    })
    await expect(supervisor.call('list', null)).resolves.toMatchObject({ running: [{ id: 'one' }] })
  })

  test('finds endings again that nobody has recorded', async () => {
    await supervisor.call('start', params('one', 'exit 9'))
    await exited('one')
    process.kill(supervisorPid(), 'SIGKILL')
    await until(() => replaced === 1)
    expect((await supervisor.call('list', null)).exited).toEqual(exits)
  })

  test('and cannot be replaced is told to whoever calls', async () => {
    rmSync(join(execRoot, 'supervisor.log'))
    mkdirSync(join(execRoot, 'supervisor.log'))
    process.kill(supervisorPid(), 'SIGKILL')
    await expect(async () => {
      for (;;) await supervisor.call('list', null)
    }).rejects.toMatchObject({ kind: 'unavailable', code: 'supervisor-lost' })
    await expect(supervisor.call('list', null)).rejects.toThrow('no supervisor for "list"')
    rmSync(join(execRoot, 'supervisor.log'), { recursive: true })
    supervisor = await connectSupervisor()
  })
})
