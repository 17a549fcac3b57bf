/** The steps that make the container's file system. After 'root' every path is resolved inside the container. */
import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { dirname, resolve } from 'node:path'
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
import type { Fd } from '../sys/fd.ts'
import { makeCharacterDevice } from '../sys/file.ts'
import {
  attachMountTree,
  cloneMountTree,
  mount,
  pivotRoot,
  setMountTreeAttributes,
  umount,
} from '../sys/mount.ts'
import { changeDirectory, setns } from '../sys/process.ts'
import { copyUp } from './copy-up.ts'
import { StartError } from './start-error.ts'
import type { AttachSource, EnterRoot, Step } from './steps.ts'

/** What later steps need of earlier ones. */
export interface State {
  stdio: readonly number[]
  cgroup: readonly number[]
  cgroupNamespace: boolean
  sources: readonly Fd[]
}

export type Handlers = {
  readonly [Op in Step['op']]: (step: Extract<Step, { op: Op }>, state: State) => void
}

type MountOp =
  | 'clone-sources'
  | 'root'
  | 'mount'
  | 'attach'
  | 'devices'
  | 'hide'
  | 'lock'
  | 'make-directory'
  | 'lock-root'

export const mountSteps: Pick<Handlers, MountOp> = {
  'clone-sources': (step, state) => {
    state.sources = step.sources.map((source) => {
      const tree = cloneMountTree(source.path)
      setMountTreeAttributes(tree, 0, source.propagation)
      return tree
    })
  },
  root: enterRoot,
  mount: (step) => {
    makeTarget(step.target, true)
    mount(step.source, step.target, step.type, step.flags, step.data)
  },
  attach: (step, state) => attachSource(step, state.sources[step.index]),
  devices: makeDevices,
  hide: (step) => step.paths.forEach(hide),
  lock: (step) => step.paths.forEach(lock),
  'make-directory': (step) => makeDirectory(step.path),
  'lock-root': () => mount('', '/', '', MS_REMOUNT | MS_BIND | MS_RDONLY, ''),
}

function enterRoot(step: EnterRoot): void {
  mount('', '/', '', MS_PRIVATE | MS_REC, '')
  process.chdir(step.layersDir)
  mount('overlay', step.merged, 'overlay', 0, overlayOptions(step))
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

function overlayOptions(step: EnterRoot): string {
  const options = `lowerdir=${step.lower.join(':')},upperdir=${step.upper},workdir=${step.work}`
  if (Buffer.byteLength(options) >= 4096) {
    throw new StartError(`the image has ${step.lower.length} layers, more than one overlayfs mount can take`)
  }
  return options
}

/** Makes a mount's target where it is missing, its parents too. */
function makeTarget(path: string, directory: boolean): void {
  const present = statSync(path, { throwIfNoEntry: false })
  if (present !== undefined) {
    if (present.isDirectory() === directory) return
    throw new StartError(
      `error mounting at "${path}": not a directory: are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type`,
    )
  }
  const real = followLinks(path)
  if (directory) {
    mkdirSync(real, { recursive: true, mode: 0o755 })
    return
  }
  mkdirSync(dirname(real), { recursive: true, mode: 0o755 })
  closeSync(openSync(real, 'wx', 0o644))
}

/** As many as the kernel follows (path_resolution(7)). */
const maxLinks = 40

/** The path without symbolic links, also where they lead to what is not there yet. */
function followLinks(path: string): string {
  let rest = path.split('/')
  let real = '/'
  for (let links = 0; rest.length > 0; ) {
    const [part = '', ...after] = rest
    const next = resolve(real, part)
    rest = after
    if (lstatSync(next, { throwIfNoEntry: false })?.isSymbolicLink() !== true) {
      real = next
      continue
    }
    if (++links > maxLinks)
      throw new StartError(`error mounting at "${path}": too many levels of symbolic links`)
    rest = [...readlinkSync(next).split('/'), ...rest]
    if (readlinkSync(next).startsWith('/')) real = '/'
  }
  return real
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

function attachSource(step: AttachSource, tree: Fd | undefined): void {
  if (tree === undefined) throw new StartError(`mount source ${step.index} of ${step.target} was not opened`)
  makeTarget(step.target, step.directory)
  if (step.copyUp && isEmpty(`/proc/self/fd/${tree.number}`))
    copyUp(step.target, `/proc/self/fd/${tree.number}`)
  if (step.readOnly) setMountTreeAttributes(tree, MOUNT_ATTR_RDONLY, 0)
  attachMountTree(tree, step.target)
  tree.close()
}

function isEmpty(directory: string): boolean {
  return readdirSync(directory).length === 0
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
