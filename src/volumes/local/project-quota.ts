/**
 * Limits by project quota, where the file system of the data root has it. Every limited directory is a project of its own, and
 * remembers its number itself. Nothing here waits for more than that file system.
 */

import { randomInt } from 'node:crypto'
import { constants, existsSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { Fd } from '../../sys/fd.ts'
import {
  enforcesProjectQuota,
  isProjectTaken,
  limitProject,
  type ProjectQuota,
  projectOf,
  quotaOfProject,
  setProject,
} from '../../sys/quota.ts'

/** bytes, and files with directories; 0 for no limit */
export interface Limit {
  readonly bytes: number
  readonly inodes: number
}

/** Whether a directory below this one can be limited. Changes nothing. */
export function hasProjectQuota(directory: string): boolean {
  using fd = openDirectory(directory)
  return enforcesProjectQuota(fd)
}

/** Limits an empty directory, or changes the limit of one that has its own. Safe to repeat. Throws SyscallError. */
export function limitDirectory(directory: string, limit: Limit): void {
  using fd = openDirectory(directory)
  const present = ownProject(fd, directory)
  const project = present || freeProject(fd)
  // The limit comes first: with it the number is taken.
  limitProject(fd, project, limit)
  if (present === 0) setProject(fd, project)
}

/** Null for a directory that has no limit of its own, or where none is enforced any more. */
export function quotaOf(directory: string): ProjectQuota | null {
  using fd = openDirectory(directory)
  if (!enforcesProjectQuota(fd)) return null
  const project = ownProject(fd, directory)
  return project === 0 ? null : quotaOfProject(fd, project)
}

/** Takes the limit back, if there is one, so that nothing of it is left when the directory is gone. */
export function releaseDirectory(directory: string): void {
  if (!existsSync(directory)) return
  using fd = openDirectory(directory)
  if (!enforcesProjectQuota(fd)) return
  const project = ownProject(fd, directory)
  if (project !== 0) limitProject(fd, project, { bytes: 0, inodes: 0 })
}

/** A project that the directory has from the one above is somebody else's. */
function ownProject(fd: Fd, directory: string): number {
  using above = openDirectory(dirname(directory))
  const project = projectOf(fd)
  return project === projectOf(above) ? 0 : project
}

/** Numbers that people and other programs give begin at 1: these are far from them, and from each other's. */
const LOWEST = 2 ** 24
const HIGHEST = 2 ** 31

function freeProject(fd: Fd): number {
  for (;;) {
    const project = randomInt(LOWEST, HIGHEST)
    if (!isProjectTaken(fd, project)) return project
  }
}

function openDirectory(path: string): Fd {
  return new Fd(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW))
}
