import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  type BoundPath,
  type CompileInput,
  compileContainer,
  compileExec,
  compileProgram,
} from '../../../src/engine/compile.ts'
import type { ContainerSpec } from '../../../src/store/records.ts'
import {
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_SHARED,
  MS_SLAVE,
} from '../../../src/sys/constants/mount.ts'
import { mountRequest, plan } from './samples.ts'

const golden = join(import.meta.dirname, '../../golden/init/container.json')

const rootfs = {
  layersDir: '/var/lib/tsnet/layers',
  lower: ['top', 'bottom'],
  upper: '/var/lib/tsnet/containers/c0/upper',
  work: '/var/lib/tsnet/containers/c0/work',
  merged: '/var/lib/tsnet/containers/c0/merged',
}

const bind = (target: string, change: Partial<BoundPath> = {}): BoundPath => ({
  source: `/srv${target}`,
  target,
  directory: true,
  readOnly: false,
  propagation: 'rprivate',
  copyUp: false,
  ...change,
})

function compile(change: Partial<ContainerSpec> = {}, input: Partial<CompileInput> = {}) {
  return compileContainer({
    container: plan(change),
    rootfs,
    netns: '/run/tsnet/netns/c0',
    binds: [],
    cgroup: { procs: ['/sys/fs/cgroup/memory/tsnet/c0/cgroup.procs'], mounts: [] },
    seccomp: '',
    ...input,
  })
}

const opsOf = (...given: Parameters<typeof compile>): string[] => compile(...given).steps.map(({ op }) => op)

/** Where the steps after the system's own mount something. */
function targetsOf(...given: Parameters<typeof compile>): string[] {
  const { steps } = compile(...given)
  return steps
    .slice(steps.findIndex(({ op }) => op === 'hostname'))
    .flatMap((step) => (step.op === 'attach' || step.op === 'mount' ? [step.target] : []))
}

describe('the steps of a container', () => {
  test('are these, for a container that uses everything', () => {
    const mounts = [
      { ...mountRequest, type: 'tmpfs' as const, source: '', target: '/tmp', options: 'size=1m' },
    ]
    const steps = compile(
      {
        mounts,
        tty: true,
        readOnlyRootfs: true,
        hostname: 'db',
        domainname: 'example.org',
        workingDir: '/srv',
        user: 'app:staff',
        groupAdd: ['audio'],
        capDrop: ['ALL'],
        capAdd: ['NET_BIND_SERVICE'],
        noNewPrivileges: true,
        sysctls: { 'net.core.somaxconn': '256' },
        ulimits: [{ name: 'nofile', soft: 64, hard: 128 }],
        oomScoreAdj: 500,
        shmSize: 1_048_576,
      },
      {
        binds: [
          bind('/data/deep', { readOnly: true, propagation: 'rslave' }),
          bind('/data', { copyUp: true }),
          bind('/etc/hosts', { directory: false, propagation: 'rshared' }),
        ],
        cgroup: {
          procs: ['/sys/fs/cgroup/memory/tsnet/c0/cgroup.procs', '/sys/fs/cgroup/pids/tsnet/c0/cgroup.procs'],
          mounts: [{ source: '/sys/fs/cgroup/memory/tsnet/c0', target: '/sys/fs/cgroup/memory' }],
        },
        seccomp: 'AAAA',
      },
    )
    const text = `${JSON.stringify(steps, null, 2)}\n`
    if (process.env['UPDATE_GOLDEN'] !== undefined) writeFileSync(golden, text)
    expect(text).toBe(readFileSync(golden, 'utf8'))
  })

  test('join the network before the mount namespace changes, and clone sources before the root is gone', () => {
    expect(opsOf().slice(0, 5)).toEqual(['open-cgroup', 'join-network', 'isolate', 'clone-sources', 'root'])
  })

  test('join no network for the host’s', () => {
    expect(opsOf({}, { netns: '' })).not.toContain('join-network')
  })

  test('lock the root last of all, and only where that is wanted', () => {
    expect(opsOf({ readOnlyRootfs: true }).at(-1)).toBe('lock-root')
    expect(opsOf()).not.toContain('lock-root')
  })

  test('ask for a terminal only where one is wanted, once /dev is there', () => {
    const ops = opsOf({ tty: true })
    expect(ops.indexOf('terminal')).toBe(ops.indexOf('devices') + 1)
    expect(opsOf()).not.toContain('terminal')
  })

  test('take rights to /proc and /sys away after everything is mounted', () => {
    const ops = opsOf({}, { binds: [bind('/data')] })
    expect(ops.indexOf('hide')).toBeGreaterThan(ops.lastIndexOf('attach'))
    expect(ops.indexOf('lock')).toBeGreaterThan(ops.lastIndexOf('mount'))
    // Sysctls are written while /proc/sys can be.
    expect(ops.indexOf('sysctls')).toBeLessThan(ops.indexOf('lock'))
  })
})

describe('the mounts of the steps', () => {
  test('come after those above them, whatever their kind and the order in which they were given', () => {
    const tmpfs = (target: string) => ({ ...mountRequest, type: 'tmpfs' as const, source: '', target })
    const mounts = [tmpfs('/a/b'), tmpfs('/c')]
    expect(targetsOf({ mounts }, { binds: [bind('/a/b/c'), bind('/a'), bind('/d')] })).toEqual([
      '/a',
      '/d',
      '/c',
      '/a/b',
      '/a/b/c',
    ])
  })

  test('name their sources by index, which sorting does not change', () => {
    const { steps } = compile({}, { binds: [bind('/a/b'), bind('/a')] })
    const sources = steps.flatMap((step) => (step.op === 'clone-sources' ? step.sources : []))
    const attached = steps.flatMap((step) =>
      step.op === 'attach' ? [[step.target, sources[step.index]?.path]] : [],
    )
    expect(attached).toEqual([
      ['/a', '/srv/a'],
      ['/a/b', '/srv/a/b'],
    ])
  })

  test('show several cgroups in a directory of their own, one alone in its place', () => {
    const procs: string[] = []
    const v1 = ['memory', 'pids'].map((name) => ({ source: `/x/${name}`, target: `/sys/fs/cgroup/${name}` }))
    expect(targetsOf({}, { cgroup: { procs, mounts: v1 } })).toEqual([
      '/sys/fs/cgroup',
      '/sys/fs/cgroup/memory',
      '/sys/fs/cgroup/pids',
    ])
    const v2 = [{ source: '/x', target: '/sys/fs/cgroup' }]
    expect(targetsOf({}, { cgroup: { procs, mounts: v2 } })).toEqual(['/sys/fs/cgroup'])
  })

  test('show cgroups read-only', () => {
    const mounts = [{ source: '/x', target: '/sys/fs/cgroup' }]
    const { steps } = compile({}, { cgroup: { procs: [], mounts }, binds: [bind('/data')] })
    const attached = steps.flatMap((step) => (step.op === 'attach' ? [[step.target, step.readOnly]] : []))
    expect(attached).toEqual([
      ['/sys/fs/cgroup', true],
      ['/data', false],
    ])
  })

  test.each([
    ['', MS_PRIVATE],
    ['private', MS_PRIVATE],
    ['rprivate', MS_PRIVATE],
    ['shared', MS_SHARED],
    ['rshared', MS_SHARED],
    ['slave', MS_SLAVE],
    ['rslave', MS_SLAVE],
  ] as const)('propagate by %j as the kernel’s flag says', (propagation, flag) => {
    const { steps } = compile({}, { binds: [bind('/data', { propagation })] })
    const [clone] = steps.filter((step) => step.op === 'clone-sources')
    expect(clone?.sources[0]?.propagation).toBe(flag)
  })

  test('give a tmpfs safe flags, from which its options depart', () => {
    const options = 'exec,size=1m,mode=700'
    const mounts = [{ ...mountRequest, type: 'tmpfs' as const, source: '', options, readOnly: true }]
    const step = compile({ mounts }).steps.find((one) => one.op === 'mount' && one.target === '/data')
    expect(step).toMatchObject({ flags: MS_NOSUID | MS_NODEV | MS_RDONLY, data: 'size=1m,mode=700' })
    const plain = [{ ...mountRequest, type: 'tmpfs' as const, source: '' }]
    const safe = compile({ mounts: plain }).steps.find((one) => one.op === 'mount' && one.target === '/data')
    expect(safe).toMatchObject({ flags: MS_NOSUID | MS_NODEV | MS_NOEXEC, data: '' })
  })
})

describe('the program', () => {
  test('has Docker’s fourteen capabilities unless told otherwise', () => {
    expect(compileProgram(plan(), '').capabilities).toHaveLength(14)
    expect(compileProgram(plan({ capDrop: ['ALL'] }), '').capabilities).toEqual([])
    expect(compileProgram(plan({ capDrop: ['ALL'], capAdd: ['CHOWN'] }), '').capabilities).toEqual(['CHOWN'])
  })

  test('of an exec enters the running container and makes no namespace', () => {
    const container = { ...plan(), state: { ...plan().state, pid: 77 } }
    const program = compileProgram(container, '')
    expect(compileExec(container, ['/cg/procs'], program, false)).toEqual({
      steps: [
        { op: 'open-cgroup', files: ['/cg/procs'], namespace: false },
        { op: 'join-container', pid: 77 },
      ],
      program,
    })
    expect(compileExec(container, [], program, true).steps.at(-1)).toEqual({
      op: 'terminal',
      number: null,
      console: false,
    })
  })
})
