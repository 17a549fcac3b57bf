/** What this kernel can do, asked of the kernel itself, once each and only when somebody wants to know. */
import { accessSync, closeSync, constants, existsSync, readFileSync } from 'node:fs'
import { release } from 'node:os'
import { TsnetError } from '../errors.ts'
import { cgroupHierarchy } from './cgroup-hierarchy.ts'
import { SYS_fsopen } from './constants/unistd.ts'
import { errnoName } from './errno.ts'
import { declare, lastErrno } from './libc.ts'
import { hasLinkKind, hasNftables } from './network-features.ts'

const nativeFsopen = declare<[number, string, number], number>(
  'long syscall(long number, const char *filesystem, unsigned int flags)',
)

/** A feature's needs, and a probe that answers '' or what is in the way. */
interface Probe {
  readonly needs: string
  readonly probe: () => string
}

const probes = {
  overlayfs: { needs: 'Linux 4.0 with CONFIG_OVERLAY_FS', probe: () => probeFilesystem('overlay') },
  'mount-namespace': { needs: 'Linux 2.6.19', probe: () => probeNamespace('mnt') },
  'uts-namespace': { needs: 'Linux 2.6.19 with CONFIG_UTS_NS', probe: () => probeNamespace('uts') },
  'ipc-namespace': { needs: 'Linux 2.6.19 with CONFIG_IPC_NS', probe: () => probeNamespace('ipc') },
  'pid-namespace': { needs: 'Linux 2.6.24 with CONFIG_PID_NS', probe: () => probeNamespace('pid') },
  'network-namespace': { needs: 'Linux 2.6.29 with CONFIG_NET_NS', probe: () => probeNamespace('net') },
  'user-namespace': { needs: 'Linux 3.8 with CONFIG_USER_NS', probe: probeUserNamespace },
  'cgroup-namespace': { needs: 'Linux 4.6 with CONFIG_CGROUPS', probe: () => probeNamespace('cgroup') },
  'time-namespace': { needs: 'Linux 5.6 with CONFIG_TIME_NS', probe: () => probeNamespace('time') },
  seccomp: {
    needs: 'Linux 4.14 with CONFIG_SECCOMP_FILTER',
    probe: () => probePath('/proc/sys/kernel/seccomp/actions_avail'),
  },
  'memory-cgroup': { needs: 'CONFIG_MEMCG', probe: () => probeController('memory') },
  'cpu-cgroup': { needs: 'CONFIG_CGROUP_SCHED', probe: () => probeController('cpu') },
  'cpuset-cgroup': { needs: 'CONFIG_CPUSETS', probe: () => probeController('cpuset') },
  'pids-cgroup': { needs: 'Linux 4.3 with CONFIG_CGROUP_PIDS', probe: () => probeController('pids') },
  ipv6: {
    needs: 'CONFIG_IPV6, not switched off by ipv6.disable=1',
    probe: () => probePath('/proc/net/if_inet6'),
  },
  nftables: {
    needs: 'Linux 3.18 with CONFIG_NF_TABLES',
    probe: () => (hasNftables() ? '' : 'nfnetlink does not know nf_tables'),
  },
  iptables: { needs: 'the program iptables-restore', probe: () => probeProgram('iptables-restore') },
  bridge: { needs: 'CONFIG_BRIDGE', probe: () => probeLinkKind('bridge') },
  veth: { needs: 'CONFIG_VETH', probe: () => probeLinkKind('veth') },
  macvlan: { needs: 'CONFIG_MACVLAN', probe: () => probeLinkKind('macvlan') },
  ipvlan: { needs: 'Linux 3.19 with CONFIG_IPVLAN', probe: () => probeLinkKind('ipvlan') },
  vxlan: { needs: 'Linux 3.7 with CONFIG_VXLAN', probe: () => probeLinkKind('vxlan') },
  wireguard: { needs: 'Linux 5.6 with CONFIG_WIREGUARD', probe: () => probeLinkKind('wireguard') },
} as const satisfies Readonly<Record<string, Probe>>

export type FeatureName = keyof typeof probes

export const featureNames = Object.keys(probes) as readonly FeatureName[]

export interface Feature {
  readonly name: FeatureName
  readonly isAvailable: boolean
  /** The kernel's version and options that bring it, or the program. */
  readonly needs: string
  /** What is in the way; '' when nothing is. */
  readonly reason: string
}

const known = new Map<FeatureName, Feature>()

/** Asks on the first call, remembers for the others. Synchronous; some probes use a throw-away network namespace (root). */
export function probeFeature(name: FeatureName): Feature {
  const answered = known.get(name)
  if (answered !== undefined) return answered
  const { needs, probe } = probes[name]
  const reason = probe()
  const feature: Feature = { name, isAvailable: reason === '', needs, reason }
  known.set(name, feature)
  return feature
}

/** Throws TsnetError 'unsupported' which says what is missing and what would bring it. */
export function requireFeature(name: FeatureName): void {
  const { isAvailable, needs, reason } = probeFeature(name)
  if (isAvailable) return
  throw new TsnetError(
    'unsupported',
    'feature-missing',
    `${name} is not available on this machine (Linux ${release()}): ${reason}; it needs ${needs}`,
  )
}

/** fsopen(2) also loads the module; kernels before 5.2 only have their list of what is loaded. */
function probeFilesystem(type: string): string {
  const fd = nativeFsopen(SYS_fsopen, type, 0)
  if (fd >= 0) {
    closeSync(fd)
    return ''
  }
  const name = errnoName(lastErrno())
  const isListed = readFileSync('/proc/filesystems', 'utf8').split(/\s/).includes(type)
  return isListed && name !== 'ENODEV' ? '' : `fsopen ${type}: ${name}`
}

function probeNamespace(kind: string): string {
  return probePath(`/proc/self/ns/${kind}`)
}

function probeUserNamespace(): string {
  const limit = '/proc/sys/user/max_user_namespaces'
  const missing = probeNamespace('user') || probePath(limit)
  if (missing !== '') return missing
  return Number(readFileSync(limit, 'utf8')) > 0 ? '' : `${limit} is 0`
}

function probePath(path: string): string {
  return existsSync(path) ? '' : `${path} does not exist`
}

function probeController(name: string): string {
  return cgroupHierarchy().trees.has(name) ? '' : `no cgroup hierarchy has the controller ${name}`
}

function probeLinkKind(kind: string): string {
  return hasLinkKind(kind) ? '' : `the kernel knows no links of kind ${kind}`
}

/** Root's programs, even where PATH lacks their folders. */
function probeProgram(name: string): string {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/local/sbin']
  return folders.some((folder) => isExecutable(`${folder}/${name}`)) ? '' : `${name} is not in PATH`
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
