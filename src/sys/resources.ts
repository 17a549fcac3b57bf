/** Checks a container's limits against Docker's rules and this machine, in Docker's words. */
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { TsnetError } from '../errors.ts'
import { cgroupHierarchy } from './cgroup-hierarchy.ts'
import type { CgroupLimits } from './cgroup-limits.ts'

/** What this machine can limit. */
export interface LimitSupport {
  readonly memory: boolean
  readonly swap: boolean
  readonly memoryReservation: boolean
  readonly cpuShares: boolean
  readonly cpuBandwidth: boolean
  readonly cpuset: boolean
  readonly pids: boolean
  readonly cpuCount: number
  /** In list format (cpuset(7)), e.g. `0-3`. */
  readonly cpus: string
  readonly memoryNodes: string
}

let known: LimitSupport | null = null

/** Looked up once. */
export function limitSupport(): LimitSupport {
  known ??= findSupport()
  return known
}

function findSupport(): LimitSupport {
  const { version, trees } = cgroupHierarchy()
  const has = (controller: string, file: string) =>
    trees.has(controller) && (version === 2 || existsSync(`${trees.get(controller)}/${file}`))
  return {
    memory: has('memory', 'memory.limit_in_bytes'),
    // version 2 has no files for limits at the root; the kernel has swap accounting where it has swap at all
    swap: version === 2 ? existsSync('/proc/swaps') : has('memory', 'memory.memsw.limit_in_bytes'),
    memoryReservation: has('memory', 'memory.soft_limit_in_bytes'),
    cpuShares: has('cpu', 'cpu.shares'),
    cpuBandwidth: has('cpu', 'cpu.cfs_quota_us'),
    cpuset: trees.has('cpuset'),
    pids: trees.has('pids'),
    cpuCount: availableParallelism(),
    cpus: readList('/sys/devices/system/cpu/online', trees.get('cpuset'), 'cpuset.cpus', version),
    memoryNodes: readList('/sys/devices/system/node/online', trees.get('cpuset'), 'cpuset.mems', version),
  }
}

/** `fallback` holds on a machine without cpusets. */
function readList(fallback: string, tree: string | undefined, file: string, version: 1 | 2): string {
  const own = `${tree}/${version === 1 ? file : `${file}.effective`}`
  const path = [own, fallback].find((candidate) => existsSync(candidate))
  return path === undefined ? '0' : readFileSync(path, 'utf8').trim()
}

/** What is left of the limits, and what the user should be told about the rest. */
export interface CheckedResources<R extends CgroupLimits> {
  readonly resources: R
  readonly warnings: readonly string[]
}

const minimumMemory = 6 * 1024 * 1024

/** Takes away what this machine cannot limit, with a warning each. Throws TsnetError 'invalid' for what is wrong in itself. */
export function checkResources<R extends CgroupLimits>(
  given: R,
  support: LimitSupport = limitSupport(),
): CheckedResources<R> {
  const warnings: string[] = []
  const resources = { ...given, ...supportedPart(given, support, warnings) }
  checkMemory(given, resources)
  checkCpu(resources, support)
  checkList('cpuset cpus', 'CPUs', resources.cpusetCpus, support.cpus)
  checkList('cpuset mems', 'memory nodes', resources.cpusetMems, support.memoryNodes)
  return { resources, warnings }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

function supportedPart(
  given: CgroupLimits,
  support: LimitSupport,
  warnings: string[],
): Partial<Mutable<CgroupLimits>> {
  const changes: Partial<Mutable<CgroupLimits>> = {}
  const discard = (when: boolean, change: Partial<CgroupLimits>, what: string) => {
    if (!when) return
    Object.assign(changes, change)
    warnings.push(`Your kernel does not support ${what}`)
  }
  const unmounted = 'or the cgroup is not mounted.'
  discard(
    given.memory > 0 && !support.memory,
    { memory: 0, memorySwap: -1 },
    `memory limit capabilities ${unmounted} Limitation discarded.`,
  )
  discard(
    given.memory > 0 && support.memory && given.memorySwap !== -1 && !support.swap,
    { memorySwap: -1 },
    `swap limit capabilities ${unmounted} Memory limited without swap.`,
  )
  discard(
    given.memoryReservation > 0 && !support.memoryReservation,
    { memoryReservation: 0 },
    `memory soft limit capabilities ${unmounted} Limitation discarded.`,
  )
  discard(
    given.pidsLimit > 0 && !support.pids,
    { pidsLimit: 0 },
    `PIDs limit capabilities ${unmounted} PIDs limit discarded.`,
  )
  discard(
    given.cpuShares > 0 && !support.cpuShares,
    { cpuShares: 0 },
    `CPU shares ${unmounted} Shares discarded.`,
  )
  discard(
    (given.cpuPeriod !== 0 || given.cpuQuota !== 0) && !support.cpuBandwidth,
    { cpuPeriod: 0, cpuQuota: 0 },
    'CPU CFS scheduler. CPU period/quota discarded.',
  )
  discard(
    (given.cpusetCpus !== '' || given.cpusetMems !== '') && !support.cpuset,
    { cpusetCpus: '', cpusetMems: '' },
    `cpuset ${unmounted} Cpuset discarded.`,
  )
  return changes
}

function checkMemory(given: CgroupLimits, { memory, memorySwap, memoryReservation }: CgroupLimits): void {
  refuse(given.memory !== 0 && given.memory < minimumMemory, 'Minimum memory limit allowed is 6MB')
  refuse(
    memory > 0 && memorySwap > 0 && memorySwap < memory,
    'Minimum memoryswap limit should be larger than memory limit, see usage',
  )
  refuse(
    memory === 0 && memorySwap > 0,
    'You should always set the Memory limit when using Memoryswap limit, see usage',
  )
  refuse(
    memoryReservation > 0 && memoryReservation < minimumMemory,
    'Minimum memory reservation allowed is 6MB',
  )
  refuse(
    memory > 0 && memory < memoryReservation,
    'Minimum memory limit can not be less than memory reservation limit, see usage',
  )
}

function checkCpu({ nanoCpus, cpuPeriod, cpuQuota }: CgroupLimits, support: LimitSupport): void {
  const conflict = 'Conflicting options: Nano CPUs and CPU'
  refuse(nanoCpus > 0 && cpuPeriod > 0, `${conflict} Period cannot both be set`)
  refuse(nanoCpus > 0 && cpuQuota > 0, `${conflict} Quota cannot both be set`)
  refuse(
    nanoCpus > 0 && !support.cpuBandwidth,
    'NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted',
  )
  const count = support.cpuCount
  refuse(
    nanoCpus < 0 || nanoCpus > count * 1e9,
    `Range of CPUs is from 0.01 to ${count}.00, as there are only ${count} CPUs available`,
  )
  refuse(
    cpuPeriod !== 0 && (cpuPeriod < 1000 || cpuPeriod > 1_000_000),
    'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)',
  )
  refuse(cpuQuota > 0 && cpuQuota < 1000, 'CPU cfs quota can not be less than 1ms (i.e. 1000)')
}

function checkList(field: string, noun: string, wanted: string, available: string): void {
  if (wanted === '') return
  const numbers = parseList(wanted)
  if (numbers === null) throw invalid(`Invalid value ${wanted} for ${field}`)
  const offered = parseList(available) ?? new Set()
  refuse(
    [...numbers].some((number) => !offered.has(number)),
    `Requested ${noun} are not available - requested ${wanted}, available: ${available}`,
  )
}

/** More than any machine has: keeps a range like 0-4000000000 from being written out. */
const highestInList = 8192

/** Numbers in list format: `0-2,5`. Null when it is not one. */
function parseList(text: string): Set<number> | null {
  const numbers = new Set<number>()
  for (const part of text.split(',')) {
    const [, from = '', to = from] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? []
    if (from === '' || Number(to) < Number(from) || Number(to) > highestInList) return null
    for (let number = Number(from); number <= Number(to); number++) numbers.add(number)
  }
  return numbers
}

function refuse(isWrong: boolean, message: string): void {
  if (isWrong) throw invalid(message)
}

function invalid(message: string): TsnetError {
  return new TsnetError('invalid', 'invalid-resources', message)
}
