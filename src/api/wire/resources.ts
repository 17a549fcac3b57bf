/** Resource limits on the wire, with Docker's checks and texts. */
import { TsnetError } from '../../errors.ts'
import type { Resources } from '../../store/records.ts'
import type { HostConfig } from '../schema/container-create.ts'

const mebibyte = 1024 * 1024
/** Below this a container cannot even start. */
const leastMemory = 6 * mebibyte

function invalid(message: string): TsnetError {
  return new TsnetError('invalid', 'bad-resource', message)
}

/** `cpus` is how many the host has. Throws kind 'invalid'. */
export function toResources(host: HostConfig, cpus: number): Resources {
  checkMemory(host)
  checkCpu(host, cpus)
  const memory = host.Memory ?? 0
  return {
    memory,
    // Without a word on swap a container may use as much of it as of memory.
    memorySwap: host.MemorySwap || (memory > 0 ? memory * 2 : 0),
    memoryReservation: host.MemoryReservation ?? 0,
    nanoCpus: host.NanoCpus ?? 0,
    cpuShares: host.CpuShares ?? 0,
    cpuPeriod: host.CpuPeriod ?? 0,
    cpuQuota: host.CpuQuota ?? 0,
    cpusetCpus: host.CpusetCpus ?? '',
    cpusetMems: host.CpusetMems ?? '',
    pidsLimit: Math.max(0, host.PidsLimit ?? 0),
  }
}

function checkMemory(host: HostConfig): void {
  const memory = host.Memory ?? 0
  const swap = host.MemorySwap ?? 0
  const reservation = host.MemoryReservation ?? 0
  if (memory !== 0 && memory < leastMemory) throw invalid('Minimum memory limit allowed is 6MB')
  if (memory > 0 && swap > 0 && swap < memory) {
    throw invalid('Minimum memoryswap limit should be larger than memory limit, see usage')
  }
  if (memory === 0 && swap > 0) {
    throw invalid('You should always set the Memory limit when using Memoryswap limit, see usage')
  }
  if (reservation !== 0 && reservation < leastMemory)
    throw invalid('Minimum memory reservation allowed is 6MB')
  if (memory > 0 && memory < reservation) {
    throw invalid('Minimum memory limit can not be less than memory reservation limit, see usage')
  }
}

function checkCpu(host: HostConfig, cpus: number): void {
  const nano = host.NanoCpus ?? 0
  const period = host.CpuPeriod ?? 0
  const quota = host.CpuQuota ?? 0
  const shares = host.CpuShares ?? 0
  if (nano > 0 && period > 0)
    throw invalid('Conflicting options: Nano CPUs and CPU Period cannot both be set')
  if (nano > 0 && quota > 0) throw invalid('Conflicting options: Nano CPUs and CPU Quota cannot both be set')
  if (nano < 0 || nano > cpus * 1e9) {
    throw invalid(`range of CPUs is from 0.01 to ${cpus}.00, as there are only ${cpus} CPUs available`)
  }
  if (shares < 0) throw invalid(`invalid CPU shares (${shares}): value must be a positive integer`)
  if (period !== 0 && (period < 1000 || period > 1_000_000)) {
    throw invalid('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)')
  }
  if (quota > 0 && quota < 1000) throw invalid('CPU cfs quota can not be less than 1ms (i.e. 1000)')
}

/** The fields of HostConfig that inspect shows. */
export function fromResources(resources: Resources) {
  return {
    CpuShares: resources.cpuShares,
    Memory: resources.memory,
    NanoCpus: resources.nanoCpus,
    CpuPeriod: resources.cpuPeriod,
    CpuQuota: resources.cpuQuota,
    CpusetCpus: resources.cpusetCpus,
    CpusetMems: resources.cpusetMems,
    MemoryReservation: resources.memoryReservation,
    MemorySwap: resources.memorySwap,
    PidsLimit: resources.pidsLimit === 0 ? null : resources.pidsLimit,
  }
}
