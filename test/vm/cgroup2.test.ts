/** What a daemon makes of version 2 of the control groups: runs in the guest of test/vm/run, whose kernel has no other. */
import { existsSync, readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'

let daemon: TestDaemon
let client: TestClient

beforeAll(async () => {
  daemon = await TestDaemon.start()
  client = new TestClient(daemon)
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterEach(() => client.clear())
afterAll(() => daemon?.stop())

const directoryOf = (id: string): string => `/sys/fs/cgroup/${daemon.mark}/${id}`
const read = (path: string): string => readFileSync(path, 'utf8').trim()

/** A number out of a file of lines like `nr_throttled 3`. */
const count = (path: string, name: string): number =>
  Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(read(path))?.[1])

const script = (...options: string[]) => {
  const body = options.pop() ?? ''
  return client.docker('run', '--rm', ...options, 'box', 'sh', '-c', body)
}

test('the kernel has version 2 alone', () => {
  expect(existsSync('/sys/fs/cgroup/cgroup.controllers')).toBe(true)
  expect(read('/proc/mounts')).not.toMatch(/ cgroup (?!.*cgroup2)/)
})

test('docker info says version 2', async () => {
  expect(await client.docker('info', '-f', '{{.CgroupVersion}}')).toBe('2')
})

describe('a container', () => {
  test('has its own cgroup as the root of all it sees, and cannot change it', async () => {
    const printed = await script(`cat /proc/self/cgroup; cat /proc/1/cgroup; cat /sys/fs/cgroup/cgroup.procs
      grep ' /sys/fs/cgroup ' /proc/self/mountinfo | cut -d' ' -f4-6
      mkdir /sys/fs/cgroup/own 2>&1; (echo 1 >/sys/fs/cgroup/pids.max) 2>&1; true`)
    const lines = printed.split('\n')
    expect(lines.slice(0, 3)).toEqual(['0::/', '0::/', '1'])
    expect(printed).toMatch(/^\/ \/sys\/fs\/cgroup ro,nosuid,nodev,noexec/m)
    expect(printed.match(/Read-only file system/g)).toHaveLength(2)
  })

  test('has every limit that it was given', async () => {
    const options = ['-m', '64m', '--memory-swap', '96m', '--memory-reservation', '32m', '--cpus', '0.5']
    const more = ['--cpu-shares', '512', '--cpuset-cpus', '0', '--pids-limit', '20']
    const directory = directoryOf(await client.wait('limited', ...options, ...more))
    const files = ['memory.max', 'memory.swap.max', 'memory.low', 'cpu.max', 'cpu.weight', 'pids.max']
    const values = ['67108864', '33554432', '33554432', '50000 100000', '20', '20']
    expect(files.map((file) => read(`${directory}/${file}`))).toEqual(values)
    expect(read(`${directory}/cpuset.cpus.effective`)).toBe('0')
  })

  test('has no limits without any', async () => {
    const directory = directoryOf(await client.wait('free'))
    expect(['memory.max', 'pids.max', 'cpu.max'].map((file) => read(`${directory}/${file}`))).toEqual([
      'max',
      'max',
      'max 100000',
    ])
  })

  test('stands still when it has used up its share of the CPU', async () => {
    const busy = ['box', 'sh', '-c', 'while :; do :; done']
    const directory = directoryOf(await client.docker('run', '-d', '--cpus', '0.1', ...busy))
    await expect
      .poll(() => count(`${directory}/cpu.stat`, 'nr_throttled'), { timeout: 30_000 })
      .toBeGreaterThan(0)
  })

  test('cannot have more processes than its limit', async () => {
    const id = await client.wait('few', '--pids-limit', '3')
    const { stderr } = await daemon.docker('exec', 'few', 'sh', '-c', 'sleep 1 & sleep 1 & sleep 1 & wait')
    expect(stderr).toMatch(/can't fork/)
    expect(count(`${directoryOf(id)}/pids.events`, 'max')).toBeGreaterThan(0)
  })

  test('cannot open a disk, whose node it may make', async () => {
    const [, major, minor] = /^ *(\d+) +(\d+) /m.exec(readFileSync('/proc/partitions', 'utf8')) ?? []
    const printed = await script(
      `mknod /tmp/disk b ${major} ${minor} && echo made; head -c 1 /tmp/disk 2>&1; echo end`,
    )
    expect(printed).toMatch(/^made\n.*Operation not permitted\nend$/)
  })

  test('takes its cgroup with it', async () => {
    const directory = directoryOf(await client.wait('short'))
    expect(existsSync(directory)).toBe(true)
    await client.remove('short')
    expect(existsSync(directory)).toBe(false)
  })

  test('has its limits again after a restart', async () => {
    const directory = directoryOf(await client.wait('again', '-m', '32m', '--pids-limit', '9'))
    await client.docker('restart', '-t', '0', 'again')
    expect([read(`${directory}/memory.max`), read(`${directory}/pids.max`)]).toEqual(['33554432', '9'])
  })
})

describe('memory beyond the limit', () => {
  const hog = ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=60M', 'count=1']
  const state = (name: string) =>
    client.docker('inspect', '-f', '{{.State.OOMKilled}} {{.State.ExitCode}}', name)

  test('ends the container, which is told', async () => {
    expect((await daemon.docker('run', '--name', 'hog', '-m', '20m', 'box', ...hog)).code).toBe(137)
    expect(await state('hog')).toBe('true 137')
  })

  test('ends an exec, and not the container', async () => {
    const id = await client.wait('host', '-m', '20m')
    expect((await daemon.docker('exec', 'host', ...hog)).code).toBe(137)
    expect(await client.docker('inspect', '-f', '{{.State.Running}}', 'host')).toBe('true')
    expect(count(`${directoryOf(id)}/memory.events`, 'oom_kill')).toBe(1)
  })

  test('is told though the daemon was not there when it ended the container', async () => {
    const late = ['box', 'sh', '-c', `while [ ! -e /tmp/go ]; do sleep 0.1; done; exec ${hog.join(' ')}`]
    const id = await client.docker('run', '-d', '--name', 'late', '-m', '20m', ...late)
    const pid = Number(await client.docker('inspect', '-f', '{{.State.Pid}}', 'late'))
    await client.docker('exec', '-d', 'late', 'sh', '-c', 'sleep 5; touch /tmp/go')
    await daemon.kill()
    await expect.poll(() => existsSync(`/proc/${pid}`), { timeout: 60_000 }).toBe(false)
    expect(existsSync(directoryOf(id))).toBe(true)
    await daemon.launch()
    expect(await state('late')).toBe('true 137')
  })
})

describe('an exec', () => {
  test('is in the cgroup of its container, and sees no more', async () => {
    const id = await client.wait('joined')
    expect(await client.inside('joined', 'cat /proc/self/cgroup')).toBe('0::/')
    await client.docker('exec', '-d', 'joined', 'sleep', '600')
    expect(read(`${directoryOf(id)}/cgroup.procs`).split('\n')).toHaveLength(2)
    expect(read(`${directoryOf(id)}/pids.current`)).toBe('2')
  })
})

test('the daemon, its supervisor and the programs in waiting stay outside the cgroups of containers', async () => {
  await client.wait('one')
  const outside = read('/proc/self/cgroup')
  for (const pid of daemon.processes()) expect(read(`/proc/${pid}/cgroup`)).toBe(outside)
  expect(read(`/sys/fs/cgroup/${daemon.mark}/cgroup.procs`)).toBe('')
})
