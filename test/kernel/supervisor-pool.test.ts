/** Warm inits of the built program, as the supervisor keeps them. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { InitPlan } from '../../src/init/steps.ts'
import { type Init, InitPool, spawnInit } from '../../src/supervisor/pool.ts'
import { repository } from '../helpers/daemon.ts'

const initPath = join(repository, 'dist/init.cjs')

/** A plan that makes nothing but runs a shell on the host's files. */
function planOf(script: string, steps: InitPlan['steps'] = []): InitPlan {
  return {
    steps: [{ op: 'open-stdio', stdin: '', stdout: '', stderr: '' }, ...steps],
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

const pools: InitPool[] = []
function poolOf(size: number): InitPool {
  const pool = new InitPool(initPath, size)
  pools.push(pool)
  return pool
}
afterEach(() => {
  for (const pool of pools.splice(0)) pool.close()
})

/** The inits that are children of this process, oldest first. */
function children(): number[] {
  return readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter((pid) => pid !== '' && isInit(pid))
    .map(Number)
}

function isInit(pid: string): boolean {
  return existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(initPath)
}

const turns = (count: number): Promise<void> =>
  new Promise((resolve) => {
    const next = (left: number): void => void (left === 0 ? resolve() : setImmediate(next, left - 1))
    next(count)
  })

const runs = async (init: Init, script: string): Promise<number | null> => {
  expect(await init.run(planOf(script))).toEqual({ kind: 'running' })
  return (await init.exited).code
}

test('a pool keeps as many inits as it should, and no more', async () => {
  const pool = poolOf(2)
  pool.refill()
  pool.refill()
  await turns(10)
  const two = children()
  expect(two).toHaveLength(2)
  const init = pool.take()
  expect(init.pid).toBe(two[0])
  pool.refill()
  await turns(10)
  expect(children()).toHaveLength(3)
  expect(await runs(init, 'exit 3')).toBe(3)
})

test('an init that was killed while it waited is passed over', async () => {
  const pool = poolOf(1)
  pool.refill()
  const [dead = 0] = children()
  expect(dead).toBeGreaterThan(0)
  process.kill(dead, 'SIGKILL')
  while (children().includes(dead)) await turns(1)
  await turns(2)
  const init = pool.take()
  expect(init.pid).not.toBe(dead)
  expect(await runs(init, 'exit 4')).toBe(4)
})

test('an empty pool gives a cold init', async () => {
  expect(await runs(poolOf(0).take(), 'exit 5')).toBe(5)
})

test('the inits of a closed pool end, and none is made again', async () => {
  const pool = poolOf(2)
  pool.refill()
  await turns(10)
  pool.close()
  while (children().length > 0) await turns(1)
  pool.refill()
  await turns(10)
  expect(children()).toEqual([])
})

test('each init is the first process of a PID namespace of its own, and this process stays in its own', async () => {
  const before = readlinkSync('/proc/self/ns/pid')
  const init = spawnInit(initPath)
  expect(readlinkSync(`/proc/${init.pid}/ns/pid`)).not.toBe(before)
  expect(readlinkSync('/proc/self/ns/pid_for_children')).toBe(before)
  // The shell's own pid, as it sees it.
  expect(await runs(init, 'exit $(($$ + 40))')).toBe(41)
})

test('a step that fails says which, and the init ends', async () => {
  const init = spawnInit(initPath)
  const outcome = await init.run(planOf('true', [{ op: 'join-network', path: '/nonexistent/netns' }]))
  expect(outcome).toMatchObject({
    kind: 'failed',
    exitCode: 128,
    message: expect.stringContaining('join-network: ENOENT'),
  })
  expect(await init.exited).toEqual({ code: 128, signal: null })
})

test('a terminal that cannot be opened fails the start, not the supervisor', async () => {
  const init = spawnInit(initPath)
  init.openTerminal = () => {
    throw new Error('no pty is left')
  }
  const outcome = await init.run(planOf('true', [{ op: 'terminal', number: null, console: false }]))
  expect(outcome).toEqual({
    kind: 'failed',
    message: 'the terminal could not be opened: no pty is left',
    exitCode: 128,
  })
  await init.exited
})

test('a plan arrives whole, whatever its size and wherever its characters are cut', async () => {
  const text = '€'.repeat(40_000)
  // A broken character would come as U+FFFD, whose first byte is 357 in octal.
  const plan = planOf(
    'test "$(printf %s "$BIG" | wc -c)" = 120000 && test "$(env | tr -dc "\\357" | wc -c)" = 0',
  )
  const env = ['PATH=/usr/bin:/bin', `BIG=${text}`, ...[1, 2, 3].map((index) => `PAD${index}=${text}`)]
  const init = spawnInit(initPath)
  expect(await init.run({ ...plan, program: { ...plan.program, env } })).toEqual({ kind: 'running' })
  expect(await init.exited).toEqual({ code: 0, signal: null })
})

test('V8 takes the code that the build has compiled for init, under the flags that init has', () => {
  const init = spawnInit(initPath)
  const flags = commandLine(init.pid).slice(1, -1)
  init.dismiss()
  expect(flags.every((flag) => flag.startsWith('--'))).toBe(true)
  const module = join(repository, 'src/init/compiled.ts')
  const program = join(repository, 'dist/init.program')
  const script = `console.log((await import('${module}')).loadProgram('${program}').cachedDataRejected)`
  const printed = execFileSync(process.execPath, [...flags, '--input-type=module', '-e', script], {
    encoding: 'utf8',
  })
  expect(printed).toBe('false\n')
})

function commandLine(pid: number): string[] {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1)
}
