import { describe, expect, test } from 'vitest'
import { fromResources, toResources } from '../../../../src/api/wire/resources.ts'
import { plainSpec } from './spec.ts'

const mebibyte = 1024 * 1024

describe('resources', () => {
  test('are none by default', () => {
    expect(toResources({}, 2)).toEqual(plainSpec.resources)
  })

  test.each([
    [{ Memory: 10 * mebibyte }, { memory: 10 * mebibyte, memorySwap: 20 * mebibyte }],
    [{ Memory: 10 * mebibyte, MemorySwap: -1 }, { memorySwap: -1 }],
    [{ Memory: 10 * mebibyte, MemorySwap: 10 * mebibyte }, { memorySwap: 10 * mebibyte }],
    [{ NanoCpus: 2e9 }, { nanoCpus: 2e9 }],
    [
      { CpuQuota: -1, CpuPeriod: 100000 },
      { cpuQuota: -1, cpuPeriod: 100000 },
    ],
    [{ PidsLimit: -1 }, { pidsLimit: 0 }],
    [
      { PidsLimit: 7, CpusetCpus: '0-1', CpuShares: 512 },
      { pidsLimit: 7, cpusetCpus: '0-1', cpuShares: 512 },
    ],
  ])('%j are understood', (host, fields) => {
    expect(toResources(host, 2)).toMatchObject(fields)
  })

  test.each([
    [{ Memory: 6 * mebibyte - 1 }, 'Minimum memory limit allowed is 6MB'],
    [{ Memory: -5 }, 'Minimum memory limit allowed is 6MB'],
    [
      { Memory: 9 * mebibyte, MemorySwap: 8 * mebibyte },
      'Minimum memoryswap limit should be larger than memory limit, see usage',
    ],
    [{ MemorySwap: 5 }, 'You should always set the Memory limit when using Memoryswap limit, see usage'],
    [{ MemoryReservation: 5 }, 'Minimum memory reservation allowed is 6MB'],
    [
      { Memory: 8 * mebibyte, MemoryReservation: 9 * mebibyte },
      'Minimum memory limit can not be less than memory reservation limit, see usage',
    ],
    [{ NanoCpus: 100, CpuPeriod: 1000 }, 'Conflicting options: Nano CPUs and CPU Period cannot both be set'],
    [{ NanoCpus: 100, CpuQuota: 1000 }, 'Conflicting options: Nano CPUs and CPU Quota cannot both be set'],
    [{ NanoCpus: 2e9 + 1 }, 'range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available'],
    [{ NanoCpus: -1 }, 'range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available'],
    [{ CpuShares: -1 }, 'invalid CPU shares (-1): value must be a positive integer'],
    [
      { CpuPeriod: 999 },
      'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)',
    ],
    [{ CpuQuota: 999 }, 'CPU cfs quota can not be less than 1ms (i.e. 1000)'],
  ])('%j are refused', (host, message) => {
    expect(() => toResources(host, 2)).toThrow(expect.objectContaining({ kind: 'invalid', message }))
  })

  test('are shown as they were understood', () => {
    const host = { Memory: 10 * mebibyte, MemorySwap: -1, NanoCpus: 5e8, PidsLimit: 9, CpusetMems: '0' }
    expect(toResources(fromResources(toResources(host, 2)), 2)).toEqual(toResources(host, 2))
    expect(fromResources(plainSpec.resources).PidsLimit).toBeNull()
  })
})
