import { describe, expect, test } from 'vitest'
import type { CgroupLimits } from '../../../src/sys/cgroup-limits.ts'
import { checkResources, type LimitSupport } from '../../../src/sys/resources.ts'

const unlimited: CgroupLimits = {
  memory: 0,
  memorySwap: 0,
  memoryReservation: 0,
  nanoCpus: 0,
  cpuShares: 0,
  cpuPeriod: 0,
  cpuQuota: 0,
  cpusetCpus: '',
  cpusetMems: '',
  pidsLimit: 0,
}
const megabyte = 1024 * 1024

describe('checkResources', () => {
  const able: LimitSupport = {
    memory: true,
    swap: true,
    memoryReservation: true,
    cpuShares: true,
    cpuBandwidth: true,
    cpuset: true,
    pids: true,
    cpuCount: 4,
    cpus: '0-3',
    memoryNodes: '0',
  }
  const check = (limits: Partial<CgroupLimits>, support: Partial<LimitSupport> = {}) =>
    checkResources({ ...unlimited, ...limits }, { ...able, ...support })

  test('leaves limits as they are where the machine has everything', () => {
    const limits = { memory: 64 * megabyte, pidsLimit: 5, cpuShares: 3, cpusetCpus: '0,2-3', nanoCpus: 4e9 }
    expect(check(limits)).toEqual({ resources: { ...unlimited, ...limits }, warnings: [] })
  })

  test.each<[Partial<CgroupLimits>, string]>([
    [{ memory: 5 * megabyte }, 'Minimum memory limit allowed is 6MB'],
    [{ memory: -1 }, 'Minimum memory limit allowed is 6MB'],
    [
      { memory: 64 * megabyte, memorySwap: megabyte },
      'Minimum memoryswap limit should be larger than memory limit, see usage',
    ],
    [
      { memorySwap: megabyte },
      'You should always set the Memory limit when using Memoryswap limit, see usage',
    ],
    [{ memoryReservation: 1 }, 'Minimum memory reservation allowed is 6MB'],
    [
      { memory: 8 * megabyte, memoryReservation: 9 * megabyte },
      'Minimum memory limit can not be less than memory reservation limit, see usage',
    ],
    [{ nanoCpus: 1, cpuPeriod: 1000 }, 'Conflicting options: Nano CPUs and CPU Period cannot both be set'],
    [{ nanoCpus: 1, cpuQuota: 1000 }, 'Conflicting options: Nano CPUs and CPU Quota cannot both be set'],
    [{ nanoCpus: 4e9 + 1 }, 'Range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available'],
    [
      { cpuPeriod: 999 },
      'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)',
    ],
    [{ cpuQuota: 999 }, 'CPU cfs quota can not be less than 1ms (i.e. 1000)'],
    [{ cpusetCpus: '2-4' }, 'Requested CPUs are not available - requested 2-4, available: 0-3'],
    [{ cpusetMems: '1' }, 'Requested memory nodes are not available - requested 1, available: 0'],
    [{ cpusetCpus: '3-1' }, 'Invalid value 3-1 for cpuset cpus'],
    [{ cpusetCpus: '0-4000000000' }, 'Invalid value 0-4000000000 for cpuset cpus'],
    [{ cpusetCpus: 'a' }, 'Invalid value a for cpuset cpus'],
  ])('refuses %j in the words of Docker', (limits, message) => {
    expect(() => check(limits)).toThrow(message)
  })

  test('takes swap away with a warning where the kernel does not count it', () => {
    const { resources, warnings } = check(
      { memory: 64 * megabyte, memorySwap: 65 * megabyte },
      { swap: false },
    )
    expect(resources).toMatchObject({ memory: 64 * megabyte, memorySwap: -1 })
    expect(warnings).toEqual([
      'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
    ])
  })

  test('takes away every limit that the machine does not know, with a warning each', () => {
    const limits = {
      memory: 64 * megabyte,
      memoryReservation: 32 * megabyte,
      pidsLimit: 5,
      cpuShares: 3,
      cpuQuota: 5000,
      cpusetCpus: '9',
    }
    const unable = {
      memory: false,
      memoryReservation: false,
      pids: false,
      cpuShares: false,
      cpuBandwidth: false,
      cpuset: false,
    }
    const { resources, warnings } = check(limits, unable)
    expect(resources).toEqual({ ...unlimited, memorySwap: -1 })
    expect(warnings).toHaveLength(6)
  })

  test('refuses a number of CPUs where there is no scheduler for it', () => {
    expect(() => check({ nanoCpus: 1e9 }, { cpuBandwidth: false })).toThrow('NanoCPUs can not be set')
  })
})
