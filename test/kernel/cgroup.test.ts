import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { countDevicePrograms } from '../../src/sys/bpf.ts'
import { defaultCapabilities } from '../../src/sys/caps.ts'
import {
  type Cgroup,
  countOomKills,
  createCgroup,
  listCgroups,
  openCgroup,
  removeCgroup,
  removeCgroupParent,
  setCgroupFrozen,
} from '../../src/sys/cgroup.ts'
import { restrictDevices } from '../../src/sys/cgroup-devices.ts'
import { cgroupHierarchy } from '../../src/sys/cgroup-hierarchy.ts'
import type { CgroupLimits } from '../../src/sys/cgroup-limits.ts'
import { become, becomingCommand } from '../helpers/become.ts'
import { requires } from '../helpers/requires.ts'

const parent = `tsnet-test-${process.pid}`
const unlimited: CgroupLimits = {
  memory: 0,
  memorySwap: 0,
  memoryReservation: 0,
  nanoCpus: 0,
  cpuShares: 0,
  cpuPeriod: 0,
  cpuQuota: 0,
  cpusetCpus: '',
  cpusetMems: '',
  pidsLimit: 0,
}
const megabyte = 1024 * 1024
const v1 = cgroupHierarchy().version === 1

const create = (id: string, limits: Partial<CgroupLimits> = {}) =>
  createCgroup(parent, id, { ...unlimited, ...limits })

/** The content of a file in whichever directory of the cgroup has it. */
function readValue({ directories }: Cgroup, file: string): string | undefined {
  const path = directories.map((directory) => join(directory, file)).find((each) => existsSync(each))
  return path && readFileSync(path, 'utf8').trim()
}

const shell = (script: string) => ['/bin/busybox', 'sh', '-c', script]

/** Starts a program in the cgroup and waits for its first line. */
async function startIn({ joinFiles }: Cgroup, script: string) {
  const child = spawn(...becomingCommand({ joinFiles, argv: shell(script) }))
  await once(child.stdout, 'data')
  return child
}

afterEach(() => {
  for (const id of listCgroups(parent)) removeCgroup(parent, id)
})

afterAll(() => {
  removeCgroupParent(parent)
})

describe('createCgroup', () => {
  test('writes every limit', () => {
    const cgroup = create('limited', {
      memory: 64 * megabyte,
      memorySwap: 96 * megabyte,
      memoryReservation: 32 * megabyte,
      nanoCpus: 500_000_000,
      cpuShares: 512,
      cpusetCpus: '0',
      pidsLimit: 20,
    })
    const read = (file: string) => readValue(cgroup, file)
    expect(read('pids.max')).toBe('20')
    expect(read('cpuset.cpus')).toBe('0')
    const written = v1
      ? [
          'memory.limit_in_bytes',
          'memory.memsw.limit_in_bytes',
          'memory.soft_limit_in_bytes',
          'cpu.shares',
          'cpu.cfs_quota_us',
        ]
      : ['memory.max', 'memory.swap.max', 'memory.low', 'cpu.weight', 'cpu.max']
    const expected = v1
      ? ['67108864', '100663296', '33554432', '512', '50000']
      : ['67108864', '33554432', '33554432', '20', '50000 100000']
    expect(written.map(read)).toEqual(expected)
  })

  test('leaves nothing behind when a limit is refused by the kernel', () => {
    expect(() => create('wrong', { cpusetCpus: '4000' })).toThrow()
    expect(listCgroups(parent)).toEqual([])
  })

  test('starts afresh where a cgroup of the same name stands', () => {
    const old = create('again', { pidsLimit: 7 })
    expect(readValue(old, 'pids.max')).toBe('7')
    expect(readValue(create('again'), 'pids.max')).toBe('max')
  })

  test('makes its parent again when that was removed by hand', () => {
    const { directories } = create('first')
    removeCgroup(parent, 'first')
    for (const directory of directories) rmdirSync(join(directory, '..'))
    expect(readValue(create('second', { pidsLimit: 9 }), 'pids.max')).toBe('9')
  })
})

describe('a program in a cgroup', () => {
  test('is there alone, without the threads of the process that became it', async () => {
    const cgroup = create('joined')
    const child = await startIn(cgroup, 'echo here; exec sleep 60')
    for (const directory of cgroup.directories) {
      expect(readFileSync(`${directory}/cgroup.procs`, 'utf8')).toBe(`${child.pid}\n`)
    }
    expect(readValue(cgroup, 'pids.current')).toBe('1')
  })

  test('cannot have more processes than its limit, though Node had more threads', () => {
    const { joinFiles } = create('few', { pidsLimit: 3 })
    const script = 'sleep 1 & sleep 1 & sleep 1 & wait'
    const { stderr } = become({ joinFiles, argv: shell(script) })
    expect(stderr).toMatch(/can't fork: Resource temporarily unavailable/)
  })

  test('is killed when it takes more memory than its limit, and that is counted', () => {
    const { joinFiles } = create('greedy', { memory: 16 * megabyte, memorySwap: 16 * megabyte })
    expect(countOomKills(parent, 'greedy')).toBe(0)
    const argv = ['/bin/busybox', 'dd', 'if=/dev/zero', 'of=/dev/null', 'bs=64M', 'count=1']
    expect(become({ joinFiles, argv }).signal).toBe('SIGKILL')
    expect(countOomKills(parent, 'greedy')).toBe(1)
  })

  test('within its limit is not killed', () => {
    const { joinFiles } = create('modest', { memory: 64 * megabyte })
    const argv = ['/bin/busybox', 'dd', 'if=/dev/zero', 'of=/dev/null', 'bs=8M', 'count=1']
    expect(become({ joinFiles, argv }).status).toBe(0)
    expect(countOomKills(parent, 'modest')).toBe(0)
  })

  test('stands still while it is frozen', async () => {
    const cgroup = create('frozen')
    const child = await startIn(cgroup, 'echo here; while read line; do echo $line; done')
    setCgroupFrozen(parent, 'frozen', true)
    child.stdin.write('one\n')
    const answered = once(child.stdout, 'data').then(String)
    const silence = new Promise((resolve) => setTimeout(resolve, 200, 'silence'))
    expect(await Promise.race([answered, silence])).toBe('silence')
    setCgroupFrozen(parent, 'frozen', false)
    expect(await answered).toBe('one\n')
  })
})

describe('the device list', () => {
  let directory = ''
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'tsnet-devices-'))
  })
  afterAll(() => rmSync(directory, { recursive: true }))

  /** What root with Docker's capabilities says when it makes the node and reads from it. */
  function readNode(id: string, kind: string, numbers: string): string {
    const { joinFiles } = create(id)
    const node = join(directory, id)
    const script = `mknod ${node} ${kind} ${numbers} && echo made && head -c 1 ${node} >/dev/null && echo read`
    const { stdout, stderr } = become({ joinFiles, caps: defaultCapabilities, argv: shell(script) })
    return `${stdout}${stderr}`
  }

  test('keeps root in a container from the disks, whose nodes it may make', () => {
    expect(readNode('disk', 'b', firstDisk().join(' '))).toMatch(/^made\n.*Operation not permitted/)
  })

  test('keeps it from the memory of the kernel', () => {
    expect(readNode('kmsg', 'c', '1 11')).toMatch(/^made\n.*Operation not permitted/)
  })

  test('opens the devices that every program expects', () => {
    expect(readNode('zero', 'c', '1 5')).toBe('made\nread\n')
    expect(readNode('urandom', 'c', '1 9')).toBe('made\nread\n')
  })
})

const unified = cgroupHierarchy().trees.get('unified')

// version 2 holds devices by a program in any of its cgroups, also where version 1 has the controllers
requires('version 2 of the cgroups mounted', unified !== undefined)(
  'the device program of version 2 holds for the cgroups below, and is attached once',
  () => {
    const directory = `${unified}/${parent}-devices`
    const below = `${directory}/below`
    mkdirSync(below, { recursive: true })
    onTestFinished(() => {
      for (const each of [below, directory]) rmdirSync(each)
    })
    restrictDevices(directory, 2)
    restrictDevices(directory, 2)
    const fd = openSync(directory, 'r')
    expect(countDevicePrograms(fd)).toBe(1)
    closeSync(fd)

    const nodes = mkdtempSync(join(tmpdir(), 'tsnet-devices-'))
    onTestFinished(() => rmSync(nodes, { recursive: true }))
    const tryNode = (numbers: string) =>
      `mknod ${nodes}/n ${numbers} && echo made && head -c 1 ${nodes}/n >/dev/null && echo read; rm ${nodes}/n`
    const argv = shell(['c 1 5', 'c 1 11', `b ${firstDisk().join(' ')}`].map(tryNode).join('; '))
    const { stdout } = become({ joinFiles: [`${below}/cgroup.procs`], caps: defaultCapabilities, argv })
    expect(stdout).toBe('made\nread\nmade\nmade\n')
  },
)

/** Major and minor number of a block device of this machine. */
function firstDisk(): [number, number] {
  const [, major, minor] = /^ *(\d+) +(\d+) /m.exec(readFileSync('/proc/partitions', 'utf8')) ?? []
  return [Number(major), Number(minor)]
}

describe('removeCgroup', () => {
  test('kills what is left, the children too', async () => {
    const cgroup = create('busy')
    const child = await startIn(cgroup, 'sleep 60 & sleep 60 & echo here; wait')
    const ended = once(child, 'exit')
    removeCgroup(parent, 'busy')
    expect(await ended).toEqual([null, 'SIGKILL'])
    expect(cgroup.directories.filter((directory) => existsSync(directory))).toEqual([])
  })

  test('kills what is frozen', async () => {
    const child = await startIn(create('stiff'), 'echo here; exec sleep 60')
    const ended = once(child, 'exit')
    setCgroupFrozen(parent, 'stiff', true)
    removeCgroup(parent, 'stiff')
    expect(await ended).toEqual([null, 'SIGKILL'])
  })

  test('removes the cgroups which the program made below its own', () => {
    const { directories } = create('nested')
    for (const directory of directories) mkdirSync(`${directory}/a/b`, { recursive: true })
    removeCgroup(parent, 'nested')
    expect(listCgroups(parent)).toEqual([])
  })

  test('does nothing when there is none', () => {
    expect(() => removeCgroup(parent, 'absent')).not.toThrow()
    expect(() => removeCgroup(`${parent}-absent`, 'absent')).not.toThrow()
  })

  test('removes what a crash left in one tree only', () => {
    const { directories } = create('partial')
    for (const directory of directories.slice(1)) rmdirSync(directory)
    expect(listCgroups(parent)).toEqual(['partial'])
    removeCgroup(parent, 'partial')
    expect(listCgroups(parent)).toEqual([])
  })
})

test('openCgroup finds the files to join, and says when there are none', () => {
  const { joinFiles } = create('standing', { cpusetCpus: '0' })
  expect(openCgroup(parent, 'standing').joinFiles.toSorted()).toEqual(joinFiles.toSorted())
  expect(() => openCgroup(parent, 'absent')).toThrow(`cgroup ${parent}/absent does not exist`)
})

test('a cgroup that is gone has no OOM kills', () => {
  expect(countOomKills(parent, 'absent')).toBe(0)
})

const isEmulated = process.env['TSNET_VM'] !== undefined
const atFullSpeed = requires('a machine that is not emulated', !isEmulated)

atFullSpeed('creating and removing takes a few milliseconds at most, a hundred times over', () => {
  create('warm')
  const start = performance.now()
  for (let count = 0; count < 100; count++) {
    const { joinFiles } = create(`quick-${count}`, { memory: 64 * megabyte, pidsLimit: 100 })
    writeFileSync(joinFiles[0] ?? '', '0')
    const [own] = joinFiles
    writeFileSync((own ?? '').replace(`${parent}/quick-${count}/`, ''), '0')
    removeCgroup(parent, `quick-${count}`)
  }
  expect((performance.now() - start) / 100).toBeLessThan(5)
})
