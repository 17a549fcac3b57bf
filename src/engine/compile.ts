/** From a container's record, its root and its mounts to the plan that init runs. Pure. */

import type { Rootfs } from '../images/rootfs.ts'
import type { InitPlan, MountSource, Owner, OwnerMapping, Program, Propagation, Step } from '../init/steps.ts'
import type { ContainerRecord, MountPoint, Recursion } from '../store/records.ts'
import { resolveCapabilities } from '../sys/caps.ts'
import {
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_SHARED,
  MS_SLAVE,
  MS_STRICTATIME,
} from '../sys/constants/mount.ts'
import { parseMountOptions } from '../sys/mount-options.ts'

/** Something of the host that appears in the container. Nobody has looked at it yet. */
export interface BoundPath {
  readonly type: MountSource['type']
  /** image: its reference */
  readonly source: string
  readonly target: string
  readonly readOnly: boolean
  readonly propagation: MountPoint['propagation']
  /** The propagation is not the user's wish but a precaution: a source that has none is as good. */
  readonly mayStayPrivate: boolean
  readonly recursion: Recursion
  /** Make a missing directory, with the owner `own`, `uid:gid`. */
  readonly createSource: boolean
  readonly own: string
  readonly subpath: string
  readonly mapping: OwnerMapping | null
  readonly copyUp: boolean
  /** image: below the root's `layersDir`, bottom first */
  readonly layers: readonly string[]
}

/** A path that is there, as it is. */
export function plainBind(source: string, target: string, readOnly: boolean): BoundPath {
  return {
    type: 'bind',
    source,
    target,
    readOnly,
    propagation: 'rprivate',
    mayStayPrivate: false,
    recursion: 'enabled',
    createSource: false,
    own: '',
    subpath: '',
    mapping: null,
    copyUp: false,
    layers: [],
  }
}

export interface CompileInput {
  readonly container: ContainerRecord
  readonly rootfs: Rootfs
  /** '' for the host's network. */
  readonly netns: string
  readonly binds: readonly BoundPath[]
  readonly cgroup: {
    readonly procs: readonly string[]
    readonly mounts: readonly { source: string; target: string }[]
  }
  /** base64 of the compiled filter, '' for none */
  readonly seccomp: string
}

/** Paths that tell about or reach the host's kernel, as in Docker's default. */
const hiddenPaths: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
]
const lockedPaths: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
]

const safe = MS_NOSUID | MS_NOEXEC | MS_NODEV

function systemMount(
  type: string,
  target: string,
  flags: number,
  data: string,
  source = type,
): Step & { target: string } {
  return { op: 'mount', type, source, target, flags, data }
}

/** The first of all: it is how init reaches its open files. */
const procMount = systemMount('proc', '/proc', safe, '')

/** The other mounts of the OCI runtime specification's Linux defaults. */
function systemMounts(shmSize: number): (Step & { target: string })[] {
  const mount = systemMount
  return [
    mount('tmpfs', '/dev', MS_NOSUID | MS_STRICTATIME, 'mode=755,size=65536k'),
    mount('devpts', '/dev/pts', MS_NOSUID | MS_NOEXEC, 'newinstance,ptmxmode=0666,mode=0620,gid=5'),
    mount('tmpfs', '/dev/shm', safe, `mode=1777,size=${shmSize}`, 'shm'),
    mount('mqueue', '/dev/mqueue', safe, ''),
    mount('sysfs', '/sys', safe | MS_RDONLY, ''),
  ]
}

/** A size that nobody sees would be misleading. */
function isOwnSharedMemory(target: string, mounts: readonly MountPoint[]): boolean {
  return target === '/dev/shm' && mounts.some((mount) => mount.target === target)
}

export function compileContainer(input: CompileInput): InitPlan {
  const { container, rootfs } = input
  const { spec } = container
  const cgroupBinds = input.cgroup.mounts.map((mount) => plainBind(mount.source, mount.target, true))
  const binds = [...cgroupBinds, ...input.binds]
  const steps: Step[] = [
    { op: 'open-cgroup', files: input.cgroup.procs, namespace: true },
    ...(input.netns === '' ? [] : [{ op: 'join-network', path: input.netns } as const]),
    { op: 'isolate' },
    { op: 'clone-sources', sources: binds.map(sourceOf) },
    { op: 'root', ...rootfs },
    procMount,
    ...fillSteps(binds),
    ...systemMounts(spec.shmSize).filter(({ target }) => !isOwnSharedMemory(target, container.mounts)),
    { op: 'devices' },
    ...(spec.tty ? [{ op: 'terminal', number: null, console: true } as const] : []),
    { op: 'hostname', hostname: container.hostname, domainname: spec.domainname },
    ...userMounts(binds, cgroupBinds.length, container.mounts),
    { op: 'sysctls', values: spec.sysctls },
    { op: 'hide', paths: hiddenPaths },
    { op: 'lock', paths: lockedPaths },
    { op: 'make-directory', path: container.workingDir },
    ...(spec.readOnlyRootfs ? [{ op: 'lock-root' } as const] : []),
  ]
  return { steps, program: compileProgram(container, input.seccomp) }
}

function sourceOf(bind: BoundPath): MountSource {
  return {
    type: bind.type,
    path: bind.source,
    layers: bind.layers.toReversed(),
    subpath: bind.subpath,
    make: bind.createSource ? makerOf(bind) : null,
    recursive: bind.recursion !== 'disabled',
    propagation: propagationOf(bind),
    mapping: bind.mapping,
  }
}

/** Whose a missing source becomes: root's, or his who is seen as root. */
function makerOf({ own, mapping }: BoundPath): Owner {
  if (own === '') return mapping?.root ?? { uid: 0, gid: 0 }
  const [uid = 0, gid = 0] = own.split(':').map(Number)
  return { uid, gid }
}

function propagationOf({ propagation, mayStayPrivate }: BoundPath): Propagation {
  const flag = propagationFlag(propagation)
  return { flag, recursive: /^(r|$)/.test(propagation), required: flag !== MS_PRIVATE && !mayStayPrivate }
}

function propagationFlag(propagation: MountPoint['propagation']): number {
  if (propagation.endsWith('shared')) return MS_SHARED
  return propagation.endsWith('slave') ? MS_SLAVE : MS_PRIVATE
}

/** A mount below another comes after it. The cgroup file system gets a tmpfs to hold its directories. */
function userMounts(binds: readonly BoundPath[], cgroups: number, mounts: readonly MountPoint[]): Step[] {
  const attach = (bind: BoundPath, index: number): Step & { target: string } => ({
    op: 'attach',
    index,
    target: bind.target,
    readOnly: lockOf(bind),
  })
  const steps = binds.map(attach)
  const cgroupSteps: Step[] = steps.slice(0, cgroups)
  const needsHolder = cgroups > 0 && steps[0]?.target !== '/sys/fs/cgroup'
  const holder: Step[] = needsHolder
    ? [
        {
          op: 'mount',
          type: 'tmpfs',
          source: 'tmpfs',
          target: '/sys/fs/cgroup',
          flags: safe,
          data: 'mode=755',
        },
      ]
    : []
  const user = [...steps.slice(cgroups), ...mounts.filter((mount) => mount.type === 'tmpfs').map(tmpfsStep)]
  return [...holder, ...cgroupSteps, ...user.sort((a, b) => depth(a.target) - depth(b.target))]
}

/** Without more mounts than its own, there is nothing else to lock. */
function lockOf({ readOnly, recursion }: BoundPath): '' | 'top' | 'all' {
  if (!readOnly) return ''
  return recursion === 'enabled' || recursion === 'readonly' ? 'all' : 'top'
}

/** While nothing but the image is there: a mount above would show something else at a volume's target. */
function fillSteps(binds: readonly BoundPath[]): Step[] {
  const volumes = binds.flatMap(({ type, copyUp, target, own, subpath }, index) =>
    type === 'volume' && subpath === '' ? [{ index, target, fill: copyUp, keepOwner: own !== '' }] : [],
  )
  return volumes.length === 0 ? [] : [{ op: 'fill-volumes', volumes }]
}

function depth(path: string): number {
  return path.split('/').length
}

function tmpfsStep(mount: MountPoint): Step & { target: string } {
  const { flags, data } = parseMountOptions(mount.options, safe)
  const readOnly = mount.readOnly ? MS_RDONLY : 0
  return { op: 'mount', type: 'tmpfs', source: 'tmpfs', target: mount.target, flags: flags | readOnly, data }
}

export function compileProgram(container: ContainerRecord, seccomp: string): Program {
  const { spec } = container
  return {
    argv: container.argv,
    env: container.env,
    workingDir: container.workingDir,
    user: container.user,
    groups: spec.groupAdd,
    capabilities: resolveCapabilities({ add: spec.capAdd, drop: spec.capDrop }),
    noNewPrivileges: spec.noNewPrivileges,
    seccomp,
    rlimits: spec.ulimits,
    oomScoreAdj: spec.oomScoreAdj,
  }
}

/** The way of an exec into a running container. */
export function compileExec(
  container: ContainerRecord,
  cgroupProcs: readonly string[],
  program: Program,
  tty: boolean,
): InitPlan {
  const steps: Step[] = [
    { op: 'open-cgroup', files: cgroupProcs, namespace: false },
    { op: 'join-container', pid: container.state.pid },
    ...(tty ? [{ op: 'terminal', number: null, console: false } as const] : []),
  ]
  return { steps, program }
}
