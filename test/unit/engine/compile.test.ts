import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  type BoundPath,
  type CompileInput,
  compileContainer,
  compileExec,
  compileProgram,
  plainBind,
} from '../../../src/engine/compile.ts'
import type { MountSource } from '../../../src/init/steps.ts'
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

const mapping = { userNamespace: '/run/tsnet/userns/m', root: { uid: 1000, gid: 100 } }

const rootfs = {
  layersDir: '/var/lib/tsnet/layers',
  lower: ['top', 'bottom'],
  upper: '/var/lib/tsnet/containers/c0/upper',
  work: '/var/lib/tsnet/containers/c0/work',
  merged: '/var/lib/tsnet/containers/c0/merged',
}

const bind = (target: string, change: Partial<BoundPath> = {}): BoundPath => ({
  ...plainBind(`/srv${target}`, target, false),
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

/** The first thing that is opened on the host. */
function sourceOf(wanted: BoundPath): MountSource | undefined {
  const [clone] = compile({}, { binds: [wanted] }).steps.filter((step) => step.op === 'clone-sources')
  return clone?.sources[0]
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
          bind('/data', { type: 'volume', copyUp: true, mapping }),
          bind('/etc/hosts', { propagation: 'rshared' }),
          bind('/usr', { type: 'image', source: 'tools:1', layers: ['one', 'two'], subpath: 'usr' }),
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
      ['/sys/fs/cgroup', 'all'],
      ['/data', ''],
    ])
  })

  test.each([
    ['', MS_PRIVATE, true],
    ['private', MS_PRIVATE, false],
    ['rprivate', MS_PRIVATE, true],
    ['shared', MS_SHARED, false],
    ['rshared', MS_SHARED, true],
    ['slave', MS_SLAVE, false],
    ['rslave', MS_SLAVE, true],
  ] as const)('propagate by %j as the kernel’s flag says', (propagation, flag, recursive) => {
    const required = flag !== MS_PRIVATE
    const wanted = { flag, recursive, required }
    expect(sourceOf(bind('/data', { propagation }))?.propagation).toEqual(wanted)
    const precaution = sourceOf(bind('/data', { propagation, mayStayPrivate: true }))
    expect(precaution?.propagation.required).toBe(false)
  })

  test.each([
    ['enabled', true, 'all'],
    ['readonly', true, 'all'],
    ['writable', true, 'top'],
    ['disabled', false, 'top'],
  ] as const)('of a read-only bind with bind-recursive=%s', (recursion, recursive, readOnly) => {
    const wanted = bind('/data', { recursion, readOnly: true })
    expect(sourceOf(wanted)?.recursive).toBe(recursive)
    const attach = compile({}, { binds: [wanted] }).steps.find((step) => step.op === 'attach')
    expect(attach?.readOnly).toBe(readOnly)
  })

  test('make a missing source for the owner that was asked for, and only where one may be made', () => {
    expect(sourceOf(bind('/data'))?.make).toBeNull()
    expect(sourceOf(bind('/data', { createSource: true }))?.make).toEqual({ uid: 0, gid: 0 })
    const own = bind('/data', { createSource: true, own: '7:8', mapping })
    expect(sourceOf(own)?.make).toEqual({ uid: 7, gid: 8 })
    const mapped = bind('/data', { createSource: true, mapping })
    expect(sourceOf(mapped)?.make).toEqual({ uid: 1000, gid: 100 })
  })

  test('fill volumes from the image alone: before anything of the user’s is attached', () => {
    const data = bind('/data', { type: 'volume', copyUp: true })
    const binds = [bind('/plain'), data, bind('/part', { type: 'volume', subpath: 'a' })]
    const { steps } = compile({}, { binds })
    expect(steps.find((step) => step.op === 'fill-volumes')?.volumes).toEqual([
      { index: 1, target: '/data', fill: true, keepOwner: false },
    ])
    const ops = steps.map(({ op }) => op)
    expect(ops.indexOf('fill-volumes')).toBe(ops.indexOf('root') + 2)
    expect(ops.indexOf('fill-volumes')).toBeLessThan(ops.indexOf('attach'))
    expect(opsOf({}, { binds: [bind('/plain')] })).not.toContain('fill-volumes')
  })

  test('give the layers of an image top first, as overlayfs takes them', () => {
    const image = bind('/usr', { type: 'image', layers: ['bottom', 'middle', 'top'] })
    expect(sourceOf(image)?.layers).toEqual(['top', 'middle', 'bottom'])
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
