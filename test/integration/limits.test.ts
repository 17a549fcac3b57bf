import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestClient } from '../helpers/client.ts'
import { busyboxArchive, TestDaemon } from '../helpers/daemon.ts'

let daemon: TestDaemon
let client: TestClient

beforeAll(async () => {
  daemon = await TestDaemon.start()
  client = new TestClient(daemon)
  await daemon.dockerWith({ input: busyboxArchive() }, 'import', '-', 'box')
})
afterAll(() => daemon?.stop())

const isVersion2 = existsSync('/sys/fs/cgroup/cgroup.controllers')
/** A file of the container's own cgroup in either version, as the container sees it. */
const file = (version1: string, version2: string): string =>
  `/sys/fs/cgroup/${isVersion2 ? version2 : version1}`

const show = (path: string, ...options: string[]): Promise<string> =>
  client.docker('run', '--rm', ...options, 'box', 'cat', path)

describe('the cgroup of a container', () => {
  it('has the memory limit of -m, and twice that with swap', async () => {
    expect(await show(file('memory/memory.limit_in_bytes', 'memory.max'), '-m', '64m')).toBe(String(64 << 20))
  })

  it('has the quota of --cpus', async () => {
    const quota = await show(file('cpu/cpu.cfs_quota_us', 'cpu.max'), '--cpus', '0.5')
    expect(quota.split(' ')[0]).toBe('50000')
  })

  it('has the weight of --cpu-shares', async () => {
    const expected = isVersion2 ? String(1 + Math.floor(((512 - 2) * 9999) / 262142)) : '512'
    expect(await show(file('cpu/cpu.shares', 'cpu.weight'), '--cpu-shares', '512')).toBe(expected)
  })

  it('has the processors of --cpuset-cpus', async () => {
    expect(await show('/proc/self/status', '--cpuset-cpus', '0')).toMatch(/^Cpus_allowed_list:\t0$/m)
  })

  it('has the process limit of --pids-limit, and none without', async () => {
    const path = file('pids/pids.max', 'pids.max')
    expect(await show(path, '--pids-limit', '5')).toBe('5')
    expect(await show(path, '--pids-limit', '-1')).toBe('max')
    expect(await show(path)).toBe('max')
  })

  it('goes with the container', async () => {
    const id = await client.wait('short', '-m', '64m')
    const path = isVersion2
      ? `/sys/fs/cgroup/${daemon.mark}/${id}`
      : `/sys/fs/cgroup/memory/${daemon.mark}/${id}`
    expect(existsSync(path)).toBe(true)
    await client.remove('short')
    expect(existsSync(path)).toBe(false)
  })
})

describe('a container', () => {
  it('beyond its memory is killed: 137, and inspect says why', async () => {
    const hog = ['box', 'dd', 'if=/dev/zero', 'of=/dev/null', 'bs=60M', 'count=1']
    expect((await daemon.docker('run', '--name', 'hog', '-m', '20m', ...hog)).code).toBe(137)
    expect(await client.docker('inspect', '-f', '{{.State.OOMKilled}} {{.State.ExitCode}}', 'hog')).toBe(
      'true 137',
    )
    await client.remove('hog')
  })

  it('killed by a signal was not killed for its memory', async () => {
    await client.wait('killed')
    await client.docker('kill', 'killed')
    await client.docker('wait', 'killed')
    expect(await client.docker('inspect', '-f', '{{.State.OOMKilled}} {{.State.ExitCode}}', 'killed')).toBe(
      'false 137',
    )
    await client.remove('killed')
  })

  it('cannot make more processes than --pids-limit', async () => {
    const bomb = 'i=0; while [ $i -lt 50 ]; do sleep 20 & i=$((i+1)); done; echo survived'
    const { stdout, stderr } = await daemon.docker(
      'run',
      '--rm',
      '--pids-limit',
      '8',
      'box',
      'sh',
      '-c',
      bomb,
    )
    expect(stdout).not.toContain('survived')
    expect(stderr).toMatch(/can't fork/)
  })

  it('starts within the least memory and the fewest processes that may be asked for', async () => {
    expect(await client.docker('run', '--rm', '-m', '6m', '--pids-limit', '1', 'box', 'echo', 'fits')).toBe(
      'fits',
    )
  })

  it('has the limits of --ulimit, soft and hard', async () => {
    const options = ['--ulimit', 'nofile=100:200', '--ulimit', 'core=0']
    const script = 'ulimit -n; ulimit -Hn; ulimit -c'
    expect(await client.docker('run', '--rm', ...options, 'box', 'sh', '-c', script)).toBe('100\n200\n0')
  })

  it('has the shared memory of --shm-size, 64 MiB without', async () => {
    expect(await show('/proc/mounts', '--shm-size', '1m')).toMatch(/^shm \/dev\/shm tmpfs \S*size=1024k/m)
    expect(await show('/proc/mounts')).toMatch(/^shm \/dev\/shm tmpfs \S*size=65536k/m)
  })

  it('has the OOM score of --oom-score-adj, 0 without', async () => {
    expect(await show('/proc/self/oom_score_adj', '--oom-score-adj', '500')).toBe('500')
    expect(await show('/proc/self/oom_score_adj')).toBe('0')
  })
})

describe('a limit that cannot be', () => {
  it.each([
    [['-m', '1m'], 'Minimum memory limit allowed is 6MB'],
    [['--memory-swap', '32m'], 'You should always set the Memory limit when using Memoryswap limit'],
    [['-m', '64m', '--memory-swap', '32m'], 'Minimum memoryswap limit should be larger than memory limit'],
    [
      ['-m', '64m', '--memory-reservation', '128m'],
      'Minimum memory limit can not be less than memory reservation',
    ],
    [['--cpus', '999'], `range of CPUs is from 0.01 to ${availableParallelism()}.00`],
    [['--cpus', '-1'], 'range of CPUs is from 0.01'],
    [['--cpuset-cpus', '777'], 'Requested CPUs are not available - requested 777'],
    [['--cpuset-cpus', 'a'], 'Invalid value a for cpuset cpus'],
  ])('%j is refused: %s', async (options, message) => {
    expect(await client.refusal('run', '--rm', ...options, 'box', 'true')).toContain(message)
    expect(await client.docker('ps', '-aq')).toBe('')
  })
})
