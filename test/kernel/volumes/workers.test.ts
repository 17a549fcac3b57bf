import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, type Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
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

const label = { name: 'data', driver: 'local', labels: {}, options: {} }

function exportTo(sink: Writable, options: object = {}): Promise<{ bytes: number }> {
  const input = { root: directory, label, resume: null, ...options }
  return workers.run('export-volume', input, { ...look, sink, ...options })
}

test('what a job sends arrives as a whole, however slowly it is taken, and the next stream of the same process is another', async () => {
  writeFileSync(join(directory, 'file'), randomBytes(12 << 20))
  const archives: Buffer[] = []
  for (const step of [1000, 1 << 20]) {
    const sink = new PassThrough({ highWaterMark: step })
    const parts: Buffer[] = []
    sink.on('data', (part: Buffer) => parts.push(part))
    const { bytes } = await exportTo(sink)
    sink.end()
    await finished(sink)
    archives.push(Buffer.concat(parts))
    expect(archives.at(-1)!.length).toBe(bytes)
  }
  expect(archives[1]!.equals(archives[0]!)).toBe(true)
  expect(workersOf(process.pid)).toHaveLength(1)
})

test('after a stream that failed the next one is whole', async () => {
  writeFileSync(join(directory, 'file'), randomBytes(100_000))
  const resume = { offset: 10, sha256: 'f'.repeat(64) }
  await expect(exportTo(new PassThrough(), { resume })).rejects.toMatchObject({ code: 'volume-changed' })
  const sink = new PassThrough({ highWaterMark: 1 << 20 })
  const { bytes } = await exportTo(sink)
  expect(sink.readableLength).toBe(bytes)
})

test('while nobody takes a stream other jobs are done at once', async () => {
  writeFileSync(join(directory, 'file'), randomBytes(16 << 20))
  await lookAt('/')
  const controller = new AbortController()
  const reason = new Error('nobody waits any more')
  const stuck = exportTo(new PassThrough(), { signal: controller.signal })
  stuck.catch(() => {})
  expect(await Promise.all([lookAt('/'), lookAt('/')])).toEqual([['directory'], ['directory']])
  controller.abort(reason)
  await expect(stuck).rejects.toBe(reason)
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
