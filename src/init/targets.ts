/**
 * Where mounts go, inside the container's root. The image and the volumes have a say in what is on the way: links are followed
 * as far as they are paths, but never those of /proc that stand for open files of init, and nothing is made through them.
 */
import { closeSync, constants, fstatSync, readlinkSync } from 'node:fs'
import { makeDirectoryAt, nameText, openAt, readLinkAt } from '../sys/at.ts'
import { O_PATH, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS } from '../sys/constants/fcntl.ts'
import { errnoText, isErrno, SyscallError } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { cPath } from '../sys/file.ts'
import { findResolved, openResolved } from '../sys/openat2.ts'
import { StartError } from './start-error.ts'

/** What is at `path`, opened with O_PATH; null when there is nothing. Throws StartError for links that lead in a circle or to open files. */
export function findTarget(path: string): Fd | null {
  try {
    return findResolved(null, path, { flags: O_PATH, resolve: RESOLVE_NO_MAGICLINKS })
  } catch (error) {
    if (isErrno(error, 'ELOOP')) throw tooManyLinks(path)
    if (isErrno(error, 'ENOTDIR')) throw wrongType(path)
    throw error
  }
}

/** A mount's target as a place, made where it is missing, its parents too. Throws StartError when it is of the other type or can not be made. */
export function openTarget(path: string, directory: boolean): Fd {
  const target = findTarget(path) ?? makeMissing(path, directory)
  if (fstatSync(target.number).isDirectory() === directory) return target
  target.close()
  throw wrongType(path)
}

function wrongType(path: string): StartError {
  return new StartError(
    `error mounting at "${path}": not a directory: are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type`,
  )
}

function tooManyLinks(path: string): StartError {
  return new StartError(`error mounting at "${path}": too many levels of symbolic links`)
}

/** What lxcfs emulates, as with runc. */
const replaceable: readonly string[] = [
  '/proc/cpuinfo',
  '/proc/diskstats',
  '/proc/meminfo',
  '/proc/stat',
  '/proc/swaps',
  '/proc/uptime',
  '/proc/loadavg',
  '/proc/slabinfo',
  '/proc/sys/kernel/ns_last_pid',
  '/proc/sys/crypto/fips_enabled',
]

/** A /proc of the image's making would hide what guards the container; a real one may cover it. Throws StartError with Docker's sentence. */
export function refuseProc(path: string, target: Fd, source = ''): void {
  const real = readlinkSync(`/proc/self/fd/${target.number}`)
  if (real === '/proc' && source !== '/proc')
    throw new StartError(`"${path}" cannot be mounted because it is not of type proc`)
  if (!real.startsWith('/proc/') || replaceable.includes(real)) return
  throw new StartError(`"${path}" cannot be mounted because it is inside /proc`)
}

function makeMissing(path: string, directory: boolean): Fd {
  try {
    return makePlainly(path, directory) ?? makeTarget(path, directory)
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error
    throw new StartError(`error mounting at "${path}": ${errnoText(error.errno)}`)
  }
}

/** The usual case, in which all but the last name is there, and no link on the way; null in others. */
function makePlainly(path: string, directory: boolean): Fd | null {
  const slash = path.lastIndexOf('/')
  const flags = O_PATH | constants.O_DIRECTORY
  try {
    using parent = findResolved(null, path.slice(0, slash + 1), { flags, resolve: RESOLVE_NO_SYMLINKS })
    if (parent === null) return null
    const name = path.slice(slash + 1)
    make(parent, name, directory)
    return openResolved(parent, name, { flags: O_PATH, resolve: RESOLVE_NO_SYMLINKS })
  } catch (error) {
    if (isErrno(error, 'ELOOP')) return null
    throw error
  }
}

/** As many as the kernel follows (path_resolution(7)). */
const maxLinks = 40

/** Walks from the root, a name at a time, and makes what is missing on the way. */
function makeTarget(path: string, directory: boolean): Fd {
  const rest = path.split('/')
  let links = 0
  let place = openRoot()
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    if (name === '' || name === '.') continue
    const isLast = rest.every((part) => part === '' || part === '.')
    const next = enterOrMake(place, name, directory || !isLast)
    if (!fstatSync(next.number).isSymbolicLink()) {
      place.close()
      place = next
      continue
    }
    next.close()
    if (++links > maxLinks) throw tooManyLinks(path)
    const to = nameText(readLinkAt(place.number, cPath(name)))
    rest.unshift(...to.split('/'))
    if (!to.startsWith('/')) continue
    place.close()
    place = openRoot()
  }
  return place
}

function openRoot(): Fd {
  return openResolved(null, '/', { flags: O_PATH | constants.O_DIRECTORY, resolve: 0 })
}

/** What has the name in the directory, a link itself too, made where it is missing. */
function enterOrMake(parent: Fd, name: string, directory: boolean): Fd {
  const itself = { flags: O_PATH | constants.O_NOFOLLOW, resolve: 0 }
  const present = findResolved(parent, name, itself)
  if (present !== null) return present
  make(parent, name, directory)
  return openResolved(parent, name, itself)
}

/** Nothing is made where something has the name. */
function make(parent: Fd, name: string, directory: boolean): void {
  const entry = cPath(name)
  const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY
  try {
    if (directory) makeDirectoryAt(parent.number, entry, 0o755)
    else closeSync(openAt(parent.number, entry, flags, 0o644))
  } catch (error) {
    // Another container that starts on the same volume.
    if (!isErrno(error, 'EEXIST')) throw error
  }
}
