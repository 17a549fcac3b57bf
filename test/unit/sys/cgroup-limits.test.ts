import { describe, expect, test } from 'vitest'
import { type CgroupLimits, cgroupSettings } from '../../../src/sys/cgroup-limits.ts'

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

describe('cgroupSettings', () => {
  const written = (version: 1 | 2, limits: Partial<CgroupLimits>) =>
    cgroupSettings(version, { ...unlimited, ...limits }).map(({ file, value }) => `${file}=${value}`)

  test('writes nothing for a container without limits', () => {
    expect(written(1, {})).toEqual([])
    expect(written(2, { memorySwap: -1, pidsLimit: -1 })).toEqual([])
  })

  test('gives as much swap as memory when nothing is said of it', () => {
    const memory = 100 * megabyte
    expect(written(1, { memory })).toEqual([
      `memory.limit_in_bytes=${memory}`,
      `memory.memsw.limit_in_bytes=${2 * memory}`,
    ])
    expect(written(2, { memory })).toEqual([`memory.max=${memory}`, `memory.swap.max=${memory}`])
  })

  test('counts swap alone in version 2', () => {
    expect(written(2, { memory: 100, memorySwap: 150 })).toContain('memory.swap.max=50')
    expect(written(2, { memory: 100, memorySwap: 100 })).toContain('memory.swap.max=0')
  })

  test('limits memory but not swap at -1', () => {
    expect(written(1, { memory: 100, memorySwap: -1 })).toEqual(['memory.limit_in_bytes=100'])
  })

  test('makes a quota of a number of CPUs', () => {
    expect(written(1, { nanoCpus: 1_500_000_000 })).toEqual([
      'cpu.cfs_period_us=100000',
      'cpu.cfs_quota_us=150000',
    ])
    expect(written(2, { nanoCpus: 1_500_000_000 })).toEqual(['cpu.max=150000 100000'])
  })

  test('fills in the half of quota and period that is not given', () => {
    expect(written(2, { cpuQuota: 20_000 })).toEqual(['cpu.max=20000 100000'])
    expect(written(2, { cpuPeriod: 50_000 })).toEqual(['cpu.max=max 50000'])
  })

  test.each([
    [2, 1],
    [1, 1],
    [1024, 39],
    [262_144, 10_000],
    [999_999, 10_000],
  ])('makes of %i shares a weight of %i', (cpuShares, weight) => {
    expect(written(2, { cpuShares })).toEqual([`cpu.weight=${weight}`])
  })
})
