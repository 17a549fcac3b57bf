import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WorkerError, Workers } from '../../../src/volumes/workers.ts'
import { HangingFs } from '../../helpers/hanging-fs.ts'

const program = join(import.meta.dirname, '../../../src/volumes/worker/main.ts')

let directory: string
let workers: Workers

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsnet-workers-'))
  workers = new Workers(program)
})
afterEach(() => {
  workers.close()
  rmSync(directory, { recursive: true })
})

const look = { subject: 'bind source', deadline: 20_000 }
const lookAt = (path: string, options: object = {}) =>
  workers.run('stat-sources', { paths: [path] }, { ...look, ...options })

/** Workers of `parent`, by their command lines: those that have ended have none. */
function workersOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isWorkerOf(pid, parent))
}

function isWorkerOf(pid: number, parent: number): boolean {
  try {
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return args.includes(program) && args.includes(String(parent))
  } catch {
    return false
  }
}

test('a job’s output comes back, and the next job is done by the same process', async () => {
  writeFileSync(join(directory, 'file'), '')
  expect(await lookAt(directory)).toEqual(['directory'])
  const first = workersOf(process.pid)
  expect(first).toHaveLength(1)
  expect(await lookAt(join(directory, 'file'))).toEqual(['file'])
  expect(await lookAt(join(directory, 'nothing'))).toEqual(['missing'])
  expect(workersOf(process.pid)).toEqual(first)
})

test('many jobs at a time are done by few processes, one after the other', async () => {
  await lookAt('/')
  const results = await Promise.all(Array.from({ length: 50 }, () => lookAt('/')))
  expect(results).toEqual(Array.from({ length: 50 }, () => ['directory']))
  expect(workersOf(process.pid).length).toBeLessThan(10)
})

test('jobs at the same time are done by processes of their own, of which one stays', async () => {
  expect(await Promise.all([lookAt('/'), lookAt('/etc/passwd'), lookAt('/none')])).toEqual([
    ['directory'],
    ['file'],
    ['missing'],
  ])
  await expect.poll(() => workersOf(process.pid), { timeout: 30_000 }).toHaveLength(1)
})

test('a job’s failure arrives with kind, code and the name of the errno', async () => {
  const looped = join(directory, 'looped')
  symlinkSync(looped, looped)
  const failure = lookAt(looped)
  await expect(failure).rejects.toBeInstanceOf(WorkerError)
  await expect(failure).rejects.toMatchObject({ kind: 'internal', code: 'syscall', errno: 'ELOOP' })
  // the process has survived that
  expect(await lookAt('/')).toEqual(['directory'])
  expect(workersOf(process.pid)).toHaveLength(1)
})

test('a job that hangs is given up at its deadline and its process is killed, while others are done', async () => {
  using hanging = new HangingFs(join(directory, 'hang'))
  const stuck = lookAt(hanging.path, { subject: `bind source ${hanging.path}`, deadline: 500 })
  stuck.catch(() => {})
  expect(await lookAt('/')).toEqual(['directory'])
  await expect(stuck).rejects.toMatchObject({
    kind: 'unavailable',
    code: 'volume-timeout',
    message: `bind source ${hanging.path} did not answer within 0.5 s: "stat-sources" was given up`,
  })
  await expect.poll(() => workersOf(process.pid), { timeout: 30_000 }).toHaveLength(1)
})

test('a signal ends a job that hangs', async () => {
  using hanging = new HangingFs(join(directory, 'hang'))
  const controller = new AbortController()
  const stuck = lookAt(hanging.path, { signal: controller.signal })
  const reason = new Error('nobody waits any more')
  setTimeout(() => controller.abort(reason), 100)
  await expect(stuck).rejects.toBe(reason)
  await expect(lookAt('/', { signal: controller.signal })).rejects.toBe(reason)
})

test('a process that dies in a job is told of, and the next job gets another', async () => {
  using hanging = new HangingFs(join(directory, 'hang'))
  const stuck = lookAt(hanging.path)
  await expect.poll(() => workersOf(process.pid), { timeout: 30_000 }).toHaveLength(1)
  process.kill(workersOf(process.pid)[0]!, 'SIGKILL')
  await expect(stuck).rejects.toMatchObject({
    kind: 'unavailable',
    code: 'volume-worker-lost',
    message: 'bind source: the process for "stat-sources" ended (SIGKILL): try again',
  })
  expect(await lookAt('/')).toEqual(['directory'])
})

test('without descriptors for another worker who waits for one is told, and the daemon goes on', () => {
  const script = `import { Workers } from ${JSON.stringify(join(import.meta.dirname, '../../../src/volumes/workers.ts'))}
    import { closeSync, openSync } from 'node:fs'
    const workers = new Workers(${JSON.stringify(program)})
    const look = { subject: 'bind source', deadline: 20_000 }
    const exhaust = () => {
      const taken = []
      try { for (;;) taken.push(openSync('/dev/null')) } catch { return taken }
    }
    const told = []
    const taken = exhaust()
    const first = workers.run('stat-sources', { paths: ['/'] }, look)
    // It waits for the first one, and gets one of its own that cannot be started either.
    const second = workers.run('stat-sources', { paths: ['/'] }, look)
    for (const job of await Promise.allSettled([first, second])) told.push(job.reason?.message)
    taken.forEach(closeSync)
    told.push(await workers.run('stat-sources', { paths: ['/'] }, look))
    workers.close()
    console.log(JSON.stringify(told))`
  const command = [process.execPath, '--input-type=module-typescript', '-e', script]
  const { stdout, stderr } = spawnSync('prlimit', ['--nofile=64', ...command], { encoding: 'utf8' })
  const lost = expect.stringMatching(
    /^bind source: the process for "stat-sources" could not be started: .*EMFILE/,
  )
  expect([JSON.parse(stdout || '[]'), stderr]).toEqual([[lost, lost, ['directory']], expect.any(String)])
})

test('a worker that hangs dies with its daemon', async () => {
  using hanging = new HangingFs(join(directory, 'hang'))
  const script = `import { Workers } from ${JSON.stringify(join(import.meta.dirname, '../../../src/volumes/workers.ts'))}
    const workers = new Workers(${JSON.stringify(program)})
    await workers.run('stat-sources', { paths: [${JSON.stringify(hanging.path)}]}, { subject: 'x', deadline: 60_000 })`
  const daemon = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: 'inherit',
  })
  await expect.poll(() => workersOf(daemon.pid!), { timeout: 30_000 }).toHaveLength(1)
  // long enough to be in the call
  await new Promise((resolve) => setTimeout(resolve, 200))
  daemon.kill('SIGKILL')
  await expect.poll(() => workersOf(daemon.pid!), { timeout: 30_000 }).toEqual([])
})
