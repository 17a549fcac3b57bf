/** Where the kernel's control groups are mounted (cgroups(7)): version 1, one tree per controller, or version 2. */
import { existsSync, readFileSync } from 'node:fs'
import { TsnetError } from '../errors.ts'

export interface CgroupHierarchy {
  readonly version: 1 | 2
  /** Directory of each controller's tree; all the same in version 2. 'unified' is always that of version 2. */
  readonly trees: ReadonlyMap<string, string>
}

/** Those that limit a container in version 1: where one of them is mounted, version 2 has it not. */
const limitingControllers = ['memory', 'cpu', 'pids', 'devices', 'cpuset']

let found: CgroupHierarchy | null = null

/** The machine's hierarchy, looked up once. Throws TsnetError 'unsupported' when none is mounted. */
export function cgroupHierarchy(): CgroupHierarchy {
  found ??= findHierarchy(readFileSync('/proc/self/mountinfo', 'utf8'))
  return found
}

/** Reads the text of /proc/PID/mountinfo (proc(5)). */
export function findHierarchy(mountinfo: string): CgroupHierarchy {
  const trees = new Map<string, string>()
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ')
    const directory = unescapePath(before.split(' ')[4] ?? '')
    const [type, , options = ''] = after.split(' ')
    if (type === 'cgroup2' && !trees.has('unified')) trees.set('unified', directory)
    // the controllers are among the options of the file system: rw,cpu,cpuacct
    if (type === 'cgroup')
      for (const name of options.split(',')) if (!trees.has(name)) trees.set(name, directory)
  }
  // as in systemd's hybrid layout, where the tree of version 2 has no controllers
  if (limitingControllers.some((name) => trees.has(name))) return { version: 1, trees }
  const unified = trees.get('unified')
  if (unified !== undefined) return { version: 2, trees: unifiedTrees(unified) }
  throw new TsnetError(
    'unsupported',
    'cgroups-missing',
    'control groups are not mounted: mount them with `mount -t cgroup2 none /sys/fs/cgroup`',
  )
}

/** Octal escapes stand for space, tab, newline and backslash. */
function unescapePath(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}

function unifiedTrees(unified: string): Map<string, string> {
  const file = `${unified}/cgroup.controllers`
  const names = existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ') : []
  return new Map(['unified', ...names].filter(Boolean).map((name) => [name, unified]))
}
