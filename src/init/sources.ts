/** Opens the sources of mounts while the host's tree is there: every look at a foreign file system is here, in a process that can be killed. */
import { chmodSync, chownSync, constants, fstatSync, mkdirSync, openSync } from 'node:fs'
import { O_PATH, RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS } from '../sys/constants/fcntl.ts'
import { errnoText, isErrno, SyscallError } from '../sys/errno.ts'
import { Fd } from '../sys/fd.ts'
import { changeMountTree, cloneMountTree, clonePath, openPlace } from '../sys/mount.ts'
import { openResolved } from '../sys/openat2.ts'
import { setThreadName } from '../sys/process.ts'
import { applyMapping } from './id-mapping.ts'
import { refusePrivate } from './propagation.ts'
import { StartError } from './start-error.ts'
import type { Mark, MountSource, Owner } from './steps.ts'

/** A tree that belongs to no namespace yet. */
export interface OpenSource {
  readonly source: MountSource
  readonly tree: Fd
  readonly directory: boolean
}

/** What init is at, for those who wait for it. */
export function tell(mark: Mark, index: number, progress = ''): void {
  setThreadName(`${mark} ${index}${progress}`)
}

/** Those of images are opened with the root, below which they lie. */
export function openSources(sources: readonly MountSource[]): (OpenSource | undefined)[] {
  return sources.map((source, index) => {
    if (source.type === 'image') return undefined
    tell('source', index)
    return isPlain(source) ? openPlain(source) : openChecked(source)
  })
}

function isPlain({ subpath, mapping, propagation }: MountSource): boolean {
  return subpath === '' && mapping === null && !propagation.required
}

/** Nothing is asked of the place before, so that its path is followed once. */
function openPlain(source: MountSource): OpenSource {
  const tree = orMade(source, () => clonePath(source.path, source.recursive))
  return finish(source, tree)
}

function openChecked(source: MountSource): OpenSource {
  using place = orMade(source, () => openPlace(source.path))
  if (source.propagation.required) refusePrivate(source, place)
  return cloneSource(source, place)
}

/** Clones what `place` has, or the source's subpath of it. */
export function cloneSource(source: MountSource, place: Fd): OpenSource {
  using shown = source.subpath === '' ? null : openSubpath(source, place)
  const tree = cloneMountTree(shown ?? place, source.recursive)
  if (source.mapping !== null) applyMapping(source, source.mapping, place, tree)
  return finish(source, tree)
}

function finish(source: MountSource, tree: Fd): OpenSource {
  const { flag, recursive } = source.propagation
  changeMountTree(tree, { propagation: flag, recursive })
  return { source, tree, directory: fstatSync(tree.number).isDirectory() }
}

function orMade(source: MountSource, open: () => Fd): Fd {
  try {
    return open()
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error
    if (source.make === null) throw missing(source)
    makeSource(source.path, source.make)
    return open()
  }
}

function missing({ type, path }: MountSource): StartError {
  return new StartError(
    type === 'bind'
      ? `invalid mount config for type "bind": bind source path does not exist: ${path}`
      : `error while mounting volume: ${path} does not exist`,
  )
}

/** All directories that are made get the owner. A step of the path that others swap for a link meanwhile is not followed. */
function makeSource(path: string, owner: Owner): void {
  let parent = new Fd(openSync('/', constants.O_RDONLY))
  try {
    for (const name of path.split('/').filter((part) => part !== '')) {
      const next = enterOrMake(parent, name, owner)
      parent.close()
      parent = next
    }
  } catch (error) {
    throw new StartError(
      `error while creating mount source path '${path}': mkdir ${path}: ${whyNotMade(error)}`,
    )
  } finally {
    parent.close()
  }
}

/** Where there is a name and nothing behind it, it is that of a link that leads nowhere or in a circle. */
function whyNotMade(error: unknown): string {
  if (!(error instanceof SyscallError)) return (error as Error).message
  return isErrno(error, 'ENOENT', 'ELOOP') ? 'file exists' : errnoText(error.errno)
}

function enterOrMake(parent: Fd, name: string, owner: Owner): Fd {
  const flags = O_PATH | constants.O_DIRECTORY
  try {
    return openResolved(parent, name, { flags, resolve: 0 })
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
  }
  if (!makeDirectory(`/proc/self/fd/${parent.number}/${name}`)) {
    return openResolved(parent, name, { flags, resolve: 0 })
  }
  const made = openResolved(parent, name, { flags: flags | constants.O_NOFOLLOW, resolve: 0 })
  // By the descriptor, whatever has the name by now.
  const self = `/proc/self/fd/${made.number}`
  chownSync(self, owner.uid, owner.gid)
  chmodSync(self, 0o755)
  return made
}

/** false when another start has just made it. */
function makeDirectory(path: string): boolean {
  try {
    mkdirSync(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Resolved by the kernel below the source: no link and no `..` leads outside, whoever changes them meanwhile. */
function openSubpath({ path, subpath }: MountSource, place: Fd): Fd {
  try {
    return openResolved(place, subpath, { flags: O_PATH, resolve: RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS })
  } catch (error) {
    if (isErrno(error, 'EXDEV', 'ELOOP')) {
      throw new StartError(
        `path concatenation escapes the base directory, base: ${path}, subpath: ${subpath}`,
      )
    }
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error
    const whole = `${path}/${subpath}`
    const why = isErrno(error, 'ENOENT') ? 'no such file or directory' : 'not a directory'
    throw new StartError(`cannot access path ${whole}: lstat ${whole}: ${why}`)
  }
}
