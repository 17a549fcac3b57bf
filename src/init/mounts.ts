/** The steps that make the container's file system. After 'root' every path is resolved inside the container. */
import { chmodSync, closeSync, lstatSync, mkdirSync, openSync, symlinkSync } from 'node:fs'
import {
  MNT_DETACH,
  MOUNT_ATTR_RDONLY,
  MS_BIND,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_REMOUNT,
} from '../sys/constants/mount.ts'
import { CLONE_NEWNS } from '../sys/constants/sched.ts'
import { makeCharacterDevice } from '../sys/file.ts'
import { attachMountTree, changeMountTree, mount, pivotRoot, umount } from '../sys/mount.ts'
import { changeDirectory, setns } from '../sys/process.ts'
import { fillVolume } from './fill-volume.ts'
import { mountRoot, openImage } from './overlay.ts'
import { type OpenSource, openSources } from './sources.ts'
import { StartError } from './start-error.ts'
import type { AttachSource, EnterRoot, MountSource, Step } from './steps.ts'
import { openTarget, refuseProc } from './targets.ts'

/** What later steps need of earlier ones. */
export interface State {
  stdio: readonly number[]
  cgroup: readonly number[]
  cgroupNamespace: boolean
  /** By their index in the plan; images are opened with the root. */
  wanted: readonly MountSource[]
  sources: readonly (OpenSource | undefined)[]
}

export type Handlers = {
  readonly [Op in Step['op']]: (step: Extract<Step, { op: Op }>, state: State) => void
}

type MountOp =
  | 'clone-sources'
  | 'root'
  | 'fill-volumes'
  | 'mount'
  | 'attach'
  | 'devices'
  | 'hide'
  | 'lock'
  | 'make-directory'
  | 'lock-root'

export const mountSteps: Pick<Handlers, MountOp> = {
  'clone-sources': (step, state) => {
    state.wanted = step.sources
    state.sources = openSources(step.sources)
  },
  root: enterRoot,
  'fill-volumes': (step, state) => {
    for (const volume of step.volumes) fillVolume(sourceAt(state, volume.index), volume)
  },
  mount: (step) => {
    using target = openTarget(step.target, true)
    if (step.type === 'tmpfs') refuseProc(step.target, target)
    mount(step.source, step.target, step.type, step.flags, step.data)
  },
  attach: attachSource,
  devices: makeDevices,
  hide: (step) => step.paths.forEach(hide),
  lock: (step) => step.paths.forEach(lock),
  'make-directory': (step) => makeDirectory(step.path),
  'lock-root': () => mount('', '/', '', MS_REMOUNT | MS_BIND | MS_RDONLY, ''),
}

function enterRoot(step: EnterRoot, state: State): void {
  mount('', '/', '', MS_PRIVATE | MS_REC, '')
  process.chdir(step.layersDir)
  // Not before: with the host's mounts still shared, the machine would see these.
  state.sources = state.wanted.map((source, index) => state.sources[index] ?? openImage(source, step.merged))
  mountRoot(step)
  const merged = openSync(step.merged, 'r')
  leaveChroot()
  changeDirectory(merged)
  closeSync(merged)
  pivotRoot('.', '.')
  umount('.', MNT_DETACH)
  process.chdir('/')
}

/**
 * Where tsnet runs in a chroot, only that folder would be exchanged: the machine's own root would stay in the container's
 * mount namespace, and whoever enters that later (an exec) would land there. setns(2) into the own one leads to its real root.
 */
function leaveChroot(): void {
  const own = openSync('/proc/self/ns/mnt', 'r')
  setns(own, CLONE_NEWNS)
  closeSync(own)
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o755 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EEXIST' && code !== 'ENOTDIR') throw error
    throw new StartError(`Cannot mkdir: ${path} is not a directory`)
  }
}

function sourceAt(state: State, index: number): OpenSource {
  const source = state.sources[index]
  if (source === undefined) throw new StartError(`mount source ${index} was not opened`)
  return source
}

function attachSource(step: AttachSource, state: State): void {
  const { source, tree, directory } = sourceAt(state, step.index)
  using target = openTarget(step.target, directory)
  refuseProc(step.target, target, source.path)
  if (step.readOnly !== '') {
    changeMountTree(tree, { set: MOUNT_ATTR_RDONLY, recursive: step.readOnly === 'all' })
  }
  attachMountTree(tree, target)
  tree.close()
}

const devices: readonly (readonly [name: string, major: number, minor: number])[] = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['tty', 5, 0],
]

const deviceLinks: readonly (readonly [name: string, target: string])[] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
  ['core', '/proc/kcore'],
  ['ptmx', 'pts/ptmx'],
]

function makeDevices(): void {
  for (const [name, major, minor] of devices) {
    const path = `/dev/${name}`
    makeCharacterDevice(path, 0o666, major, minor)
    // mknod(2) obeys the umask.
    chmodSync(path, 0o666)
  }
  for (const [name, target] of deviceLinks) symlinkSync(target, `/dev/${name}`)
}

function hide(path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return
  if (stats.isDirectory()) mount('tmpfs', path, 'tmpfs', MS_RDONLY, 'size=0')
  else mount('/dev/null', path, '', MS_BIND, '')
}

function lock(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return
  mount(path, path, '', MS_BIND | MS_REC, '')
  mount('', path, '', MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, '')
}
