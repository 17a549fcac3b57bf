/**
 * Control groups of containers (cgroups(7)): `<tree>/<parent>/<id>` in each tree that counts or limits. All calls are
 * synchronous and safe to repeat; each costs some 20 µs in the kernel, so only the trees which do something for a
 * container get a cgroup.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { TsnetError } from '../errors.ts'
import { restrictDevices } from './cgroup-devices.ts'
import { cgroupHierarchy } from './cgroup-hierarchy.ts'
import { type CgroupLimits, type CgroupSetting, cgroupSettings } from './cgroup-limits.ts'

export interface Cgroup {
  /** Absolute; one in version 2, one for each tree in version 1. */
  readonly directories: readonly string[]
  /** Opened for writing before the mounts change, and given '0' by the process that joins. */
  readonly joinFiles: readonly string[]
}

/** For limits, the OOM killer's count, statistics, the device list, and to stop everything at once. */
const alwaysJoined = ['memory', 'cpu', 'cpuacct', 'pids', 'devices', 'freezer']

/** Parents which this process has prepared. */
const prepared = new Set<string>()

/**
 * Makes the cgroup `id` below `parent` with these limits, anew if it stands. Limits of a controller that is not there
 * are passed over (see `checkResources`). Throws SyscallError or fs's error, with nothing left behind.
 */
export function createCgroup(parent: string, id: string, limits: CgroupLimits): Cgroup {
  const settings = cgroupSettings(cgroupHierarchy().version, limits)
  const trees = treesFor(settings)
  try {
    makeChildren(trees, parent, id)
    for (const setting of settings) writeSetting(setting, parent, id)
  } catch (error) {
    removeCgroup(parent, id)
    throw error
  }
  return withJoinFiles(trees.map((tree) => `${tree}/${parent}/${id}`))
}

/** The cgroup as it stands, for a further process to join. Throws TsnetError 'not-found' when there is none. */
export function openCgroup(parent: string, id: string): Cgroup {
  const directories = allTrees()
    .map((tree) => `${tree}/${parent}/${id}`)
    .filter((directory) => existsSync(directory))
  if (directories.length > 0) return withJoinFiles(directories)
  throw new TsnetError('not-found', 'cgroup-not-found', `cgroup ${parent}/${id} does not exist`)
}

/**
 * A write to version 1's tasks moves one thread. cgroup.procs would move all of Node's, for which the kernel waits
 * several milliseconds (a grace period of RCU); the other threads end at execve anyway.
 */
function withJoinFiles(directories: readonly string[]): Cgroup {
  const name = cgroupHierarchy().version === 1 ? 'tasks' : 'cgroup.procs'
  return { directories, joinFiles: directories.map((directory) => `${directory}/${name}`) }
}

/** Distinct, as one tree may have several controllers: cpu,cpuacct. */
function treesFor(settings: readonly CgroupSetting[]): string[] {
  const { trees, version } = cgroupHierarchy()
  const wanted =
    version === 2 ? ['unified'] : [...alwaysJoined, ...settings.map(({ controller }) => controller)]
  return [...new Set(wanted.map((name) => trees.get(name)).filter((tree) => tree !== undefined))]
}

function allTrees(): string[] {
  const { trees, version } = cgroupHierarchy()
  const names = version === 2 ? ['unified'] : [...alwaysJoined, 'cpuset']
  return [...new Set(names.map((name) => trees.get(name)).filter((tree) => tree !== undefined))]
}

/** What a crash left of the same name would bring its limits and counts along, and goes first. */
function makeChildren(trees: readonly string[], parent: string, id: string): void {
  try {
    for (const tree of trees) makeChild(tree, parent, id)
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
    removeCgroup(parent, id)
    for (const tree of trees) makeChild(tree, parent, id)
  }
}

function makeChild(tree: string, parent: string, id: string): void {
  const directory = `${tree}/${parent}`
  if (!prepared.has(directory)) prepareParent(tree, directory)
  try {
    mkdirSync(`${directory}/${id}`)
  } catch (error) {
    // the parent was removed by hand
    if (errorCode(error) !== 'ENOENT') throw error
    prepareParent(tree, directory)
    mkdirSync(`${directory}/${id}`)
  }
}

/** The parent hands on to its children what is the same for all: controllers, CPUs, the devices. */
function prepareParent(tree: string, directory: string): void {
  mkdirSync(directory, { recursive: true })
  const { version, trees } = cgroupHierarchy()
  if (version === 2) {
    const controllers = [...trees.keys()].filter((name) => name !== 'unified')
    const value = controllers.map((name) => `+${name}`).join(' ')
    for (const each of [tree, directory]) writeFileSync(`${each}/cgroup.subtree_control`, value)
  }
  if (version === 1 && tree === trees.get('cpuset')) {
    // empty in a new cgroup, and its children may not use more
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      writeFileSync(`${directory}/${file}`, readFileSync(`${tree}/${file}`))
    }
  }
  if (version === 2 || tree === trees.get('devices')) restrictDevices(directory, version)
  prepared.add(directory)
}

function writeSetting({ controller, file, value }: CgroupSetting, parent: string, id: string): void {
  const tree = cgroupHierarchy().trees.get(controller)
  if (tree === undefined) return
  const path = `${tree}/${parent}/${id}/${file}`
  // a kernel without swap accounting lacks the file
  if (/swap|memsw/.test(file) && !existsSync(path)) return
  writeFileSync(path, value)
  // a process in a cpuset needs CPUs and memory nodes; the one not given is the parent's
  if (controller === 'cpuset' && cgroupHierarchy().version === 1) fillCpuset(`${tree}/${parent}`, id)
}

function fillCpuset(directory: string, id: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const path = `${directory}/${id}/${file}`
    if (readFileSync(path, 'utf8').trim() === '') writeFileSync(path, readFileSync(`${directory}/${file}`))
  }
}

/**
 * Kills what is left in the cgroup and removes it with all below it; nothing happens when it is gone. Throws TsnetError
 * 'internal' when processes do not end within two seconds.
 */
export function removeCgroup(parent: string, id: string): void {
  const directories = allTrees().map((tree) => `${tree}/${parent}/${id}`)
  const end = Date.now() + removeDeadline
  while (!directories.map(removeTree).every(Boolean)) {
    killAll(directories)
    if (Date.now() > end) {
      const pids = processesOf(directories).join(', ')
      throw new TsnetError(
        'internal',
        'cgroup-busy',
        `cgroup ${parent}/${id} cannot be removed: processes ${pids} do not end`,
      )
    }
    pause()
  }
}

/** Removes `parent` itself, when it has no cgroups any more. */
export function removeCgroupParent(parent: string): void {
  for (const tree of allTrees()) {
    prepared.delete(`${tree}/${parent}`)
    removeEmpty(`${tree}/${parent}`)
  }
}

/** The ids below `parent` in any tree. */
export function listCgroups(parent: string): string[] {
  const ids = new Set<string>()
  for (const tree of allTrees()) for (const id of children(`${tree}/${parent}`)) ids.add(id)
  return [...ids]
}

/** How many processes of the cgroup the OOM killer has ended; 0 when it is gone or the kernel does not count. */
export function countOomKills(parent: string, id: string): number {
  const { version, trees } = cgroupHierarchy()
  const file = version === 1 ? 'memory.oom_control' : 'memory.events'
  const text = readIfThere(`${trees.get('memory')}/${parent}/${id}/${file}`)
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0)
}

/** Stops all processes where they stand, or lets them go on. In version 1 the kernel may need a moment to stop them. */
export function setCgroupFrozen(parent: string, id: string, frozen: boolean): void {
  freeze(freezerOf(parent, id), frozen)
}

/** Whether none of its processes runs; one that is gone has none. */
export function isCgroupFrozen(parent: string, id: string): boolean {
  const isFirst = cgroupHierarchy().version === 1
  const text = readIfThere(`${freezerOf(parent, id)}/${isFirst ? 'freezer.state' : 'cgroup.events'}`)
  return text === '' || (isFirst ? text.trim() === 'FROZEN' : /^frozen 1$/m.test(text))
}

function freezerOf(parent: string, id: string): string {
  const { version, trees } = cgroupHierarchy()
  const tree = trees.get(version === 1 ? 'freezer' : 'unified')
  if (tree !== undefined) return `${tree}/${parent}/${id}`
  throw new TsnetError('unsupported', 'freezer-missing', 'the freezer cgroup is not mounted')
}

function freeze(directory: string, frozen: boolean): void {
  if (cgroupHierarchy().version === 2) writeFileSync(`${directory}/cgroup.freeze`, frozen ? '1' : '0')
  else writeFileSync(`${directory}/freezer.state`, frozen ? 'FROZEN' : 'THAWED')
}

const removeDeadline = 2000

/** True when the cgroup is gone with all below it; false while processes are in any. */
function removeTree(directory: string): boolean {
  if (removeEmpty(directory)) return true
  return children(directory).every((child) => removeTree(`${directory}/${child}`)) && removeEmpty(directory)
}

/** True when it is gone; false while processes or cgroups are in it. */
function removeEmpty(directory: string): boolean {
  try {
    rmdirSync(directory)
  } catch (error) {
    const code = errorCode(error)
    if (code === 'EBUSY' || code === 'ENOTEMPTY') return false
    if (code !== 'ENOENT') throw error
  }
  return true
}

/** Frozen processes do not fork while they are being killed; version 2 has one file for all of this, since Linux 5.14. */
function killAll(directories: readonly string[]): void {
  const killFile = `${directories[0]}/cgroup.kill`
  if (existsSync(killFile)) {
    writeFileSync(killFile, '1')
    return
  }
  const freezers = directories.filter(hasFreezer)
  for (const directory of freezers) freeze(directory, true)
  for (const pid of processesOf(directories)) kill(pid)
  for (const directory of freezers) freeze(directory, false)
}

function hasFreezer(directory: string): boolean {
  return ['freezer.state', 'cgroup.freeze'].some((file) => existsSync(`${directory}/${file}`))
}

/** The processes in the cgroups and all below them, each once. */
function processesOf(directories: readonly string[]): number[] {
  const pids = directories.flatMap((directory) => [
    ...readIfThere(`${directory}/cgroup.procs`).split('\n').filter(Boolean).map(Number),
    ...processesOf(children(directory).map((child) => `${directory}/${child}`)),
  ])
  return [...new Set(pids)]
}

function kill(pid: number): void {
  try {
    // 0 stands for a process of a foreign PID namespace, and would be the own process group for kill(2)
    if (pid > 0) process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error
  }
}

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
}

function children(directory: string): string[] {
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return []
  const entries = readdirSync(directory, { withFileTypes: true })
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    // ENODEV: the cgroup was removed after the open
    if (['ENOENT', 'ENODEV'].includes(errorCode(error))) return ''
    throw error
  }
}

function errorCode(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? ''
}
