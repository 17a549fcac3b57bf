/** A container's resources as what is written to its cgroup's files. Pure. */
/** What a container may use at most; 0 or '' is no limit, as in Docker. */
export interface CgroupLimits {
  /** bytes */
  readonly memory: number
  /** bytes of memory plus swap; 0 as much swap as memory, -1 unlimited */
  readonly memorySwap: number
  /** bytes */
  readonly memoryReservation: number
  /** billionths of a CPU */
  readonly nanoCpus: number
  readonly cpuShares: number
  /** microseconds */
  readonly cpuPeriod: number
  /** microseconds */
  readonly cpuQuota: number
  /** e.g. `0-3,5` */
  readonly cpusetCpus: string
  readonly cpusetMems: string
  /** 0 or -1 means unlimited. */
  readonly pidsLimit: number
}

/** One value for one file of a cgroup, below the tree of `controller`. */
export interface CgroupSetting {
  readonly controller: string
  readonly file: string
  readonly value: string
}

/** Docker's period where only a number of CPUs is given, in microseconds. */
const defaultPeriod = 100_000

/** The settings in the order in which the kernel accepts them; what is not limited is left out. */
export function cgroupSettings(version: 1 | 2, limits: CgroupLimits): CgroupSetting[] {
  return version === 1 ? settingsV1(limits) : settingsV2(limits)
}

function settingsV1(limits: CgroupLimits): CgroupSetting[] {
  const { quota, period } = bandwidth(limits)
  const swap = memoryAndSwap(limits)
  return compact([
    // memory with swap may not be less than memory, so memory comes first
    ['memory', 'memory.limit_in_bytes', positive(limits.memory)],
    ['memory', 'memory.memsw.limit_in_bytes', positive(swap)],
    ['memory', 'memory.soft_limit_in_bytes', positive(limits.memoryReservation)],
    ['cpu', 'cpu.shares', positive(limits.cpuShares)],
    ['cpu', 'cpu.cfs_period_us', positive(period)],
    ['cpu', 'cpu.cfs_quota_us', positive(quota)],
    ['cpuset', 'cpuset.cpus', limits.cpusetCpus],
    ['cpuset', 'cpuset.mems', limits.cpusetMems],
    ['pids', 'pids.max', positive(limits.pidsLimit)],
  ])
}

function settingsV2(limits: CgroupLimits): CgroupSetting[] {
  const { quota, period } = bandwidth(limits)
  const swap = memoryAndSwap(limits)
  const isLimited = quota > 0 || period > 0
  return compact([
    ['memory', 'memory.max', positive(limits.memory)],
    // version 2 counts swap alone
    ['memory', 'memory.swap.max', swap > 0 ? String(swap - limits.memory) : ''],
    ['memory', 'memory.low', positive(limits.memoryReservation)],
    ['cpu', 'cpu.weight', limits.cpuShares > 0 ? String(cpuWeight(limits.cpuShares)) : ''],
    ['cpu', 'cpu.max', isLimited ? `${quota > 0 ? quota : 'max'} ${period || defaultPeriod}` : ''],
    ['cpuset', 'cpuset.cpus', limits.cpusetCpus],
    ['cpuset', 'cpuset.mems', limits.cpusetMems],
    ['pids', 'pids.max', positive(limits.pidsLimit)],
  ])
}

function compact(settings: readonly (readonly [string, string, string])[]): CgroupSetting[] {
  return settings
    .filter(([, , value]) => value !== '')
    .map(([controller, file, value]) => ({ controller, file, value }))
}

function positive(value: number): string {
  return value > 0 ? String(value) : ''
}

/** Docker's default gives as much swap as memory. 0 and less: no limit. */
function memoryAndSwap({ memory, memorySwap }: CgroupLimits): number {
  return memory > 0 && memorySwap === 0 ? 2 * memory : memorySwap
}

function bandwidth({ nanoCpus, cpuPeriod, cpuQuota }: CgroupLimits): { quota: number; period: number } {
  if (nanoCpus <= 0) return { quota: cpuQuota, period: cpuPeriod }
  return { quota: Math.floor((nanoCpus * defaultPeriod) / 1e9), period: defaultPeriod }
}

/** Shares of 2 to 262144 as a weight of 1 to 10000, by the line that runc and systemd draw. */
function cpuWeight(shares: number): number {
  const bounded = Math.min(Math.max(shares, 2), 262_144)
  return 1 + Math.floor(((bounded - 2) * 9999) / 262_142)
}
