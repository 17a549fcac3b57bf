import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseFlags } from '../../../src/cli/argv.ts'
import { buildCreateBody } from '../../../src/cli/create-body.ts'
import { containerFlags } from '../../../src/cli/flags.ts'

const surroundings = {
  directory: '/srv/place',
  environment: { KNOWN: 'here' },
  consoleSize: { rows: 0, columns: 0 },
}
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tsnet-create-'))
  writeFileSync(join(folder, 'env'), '# comment\n\nA=file\n  B=spaced out\nKNOWN\nUNKNOWN\n')
  writeFileSync(join(folder, 'labels'), 'one=1\nbare\n')
  writeFileSync(join(folder, 'profile.json'), '{\n  "defaultAction": "SCMP_ACT_ALLOW"\n}\n')
})

afterAll(() => rmSync(folder, { recursive: true }))

function body(...args: string[]) {
  const { values, given, rest } = parseFlags(containerFlags, [...args, 'box'], false)
  return buildCreateBody(values, given, rest as [string, ...string[]], surroundings)
}

describe('buildCreateBody', () => {
  test('asks for nothing special when nothing is given', () => {
    const plain = body()
    expect(plain).toMatchObject({
      AttachStdin: false,
      AttachStdout: true,
      AttachStderr: true,
      Cmd: null,
      Entrypoint: null,
      Image: 'box',
      OpenStdin: false,
      StdinOnce: false,
      NetworkingConfig: { EndpointsConfig: {} },
    })
    expect(plain.HostConfig).toMatchObject({
      NetworkMode: 'default',
      RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
    })
    expect(plain).not.toHaveProperty('StopTimeout')
    expect(plain.HostConfig).not.toHaveProperty('Init')
  })

  test('keeps the command and its flags', () => {
    const { values, given, rest } = parseFlags(
      containerFlags,
      ['--rm', 'box', 'sh', '-c', 'x', '--rm'],
      false,
    )
    const built = buildCreateBody(values, given, rest as [string, ...string[]], surroundings)
    expect(built.Cmd).toEqual(['sh', '-c', 'x', '--rm'])
    expect(built.HostConfig.AutoRemove).toBe(true)
  })

  test('opens standard input once for a client that is attached to it', () => {
    expect(body('-i')).toMatchObject({ AttachStdin: true, OpenStdin: true, StdinOnce: true })
    expect(body('-i', '-a', 'stdout')).toMatchObject({
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: false,
    })
    expect(body('-a', 'STDERR')).toMatchObject({
      AttachStdin: false,
      AttachStdout: false,
      AttachStderr: true,
    })
  })

  test('tells an empty entrypoint from none', () => {
    expect(body('--entrypoint', '').Entrypoint).toEqual([''])
    expect(body('--entrypoint=/bin/sh').Entrypoint).toEqual(['/bin/sh'])
  })

  test('puts variables of files before those of flags, and takes bare ones from its surroundings', () => {
    expect(body('-e', 'C=flag', '--env-file', join(folder, 'env')).Env).toEqual([
      'A=file',
      'B=spaced out',
      'KNOWN=here',
      'C=flag',
    ])
    expect(() => body('--env-file', '/nope')).toThrow('--env-file: open /nope: no such file or directory')
  })

  test('joins labels of files and flags', () => {
    expect(body('--label-file', join(folder, 'labels'), '-l', 'one=2').Labels).toEqual({ one: '2', bare: '' })
  })

  test('splits volumes into binds and anonymous ones', () => {
    const built = body('-v', './x:/x:ro', '-v', 'data:/data', '-v', '/anon', '-v', 'data:/data')
    expect(built.HostConfig.Binds).toEqual(['/srv/place/x:/x:ro', 'data:/data'])
    expect(built.Volumes).toEqual({ '/anon': {} })
  })

  test('publishes ports and exposes them', () => {
    const built = body(
      '-p',
      '8080:80',
      '-p',
      '127.0.0.1::80',
      '-p',
      '53:53/udp',
      '--expose',
      '9000-9001',
      '-P',
    )
    expect(built.HostConfig.PortBindings).toEqual({
      '80/tcp': [
        { HostIp: '', HostPort: '8080' },
        { HostIp: '127.0.0.1', HostPort: '' },
      ],
      '53/udp': [{ HostIp: '', HostPort: '53' }],
    })
    expect(Object.keys(built.ExposedPorts)).toEqual(['80/tcp', '53/udp', '9000/tcp', '9001/tcp'])
    expect(built.HostConfig.PublishAllPorts).toBe(true)
  })

  test('gives the flags of one network to the first of them', () => {
    const built = body(
      '--network',
      'one',
      '--network',
      'name=two,alias=b',
      '--ip',
      '10.0.0.5',
      '--network-alias',
      'a',
    )
    expect(built.HostConfig.NetworkMode).toBe('one')
    expect(built.NetworkingConfig.EndpointsConfig).toEqual({
      one: { IPAMConfig: { IPv4Address: '10.0.0.5' }, Aliases: ['a'] },
      two: { Aliases: ['b'] },
    })
  })

  test('passes a MAC address on for the default network', () => {
    const { NetworkingConfig } = body('--mac-address', '92:d0:c6:0a:29:33')
    expect(NetworkingConfig.EndpointsConfig).toEqual({ default: { MacAddress: '92:d0:c6:0a:29:33' } })
  })

  test('keeps the last limit of a name', () => {
    expect(
      body('--ulimit', 'nproc=5', '--ulimit', 'core=0', '--ulimit', 'nproc=6:7').HostConfig.Ulimits,
    ).toEqual([
      { Name: 'core', Soft: 0, Hard: 0 },
      { Name: 'nproc', Soft: 6, Hard: 7 },
    ])
  })

  test('reads quantities', () => {
    expect(
      body('-m', '64m', '--memory-swap', '-1', '--cpus', '1.5', '--shm-size', '1g').HostConfig,
    ).toMatchObject({
      Memory: 64 << 20,
      MemorySwap: -1,
      NanoCpus: 1_500_000_000,
      ShmSize: 1 << 30,
    })
  })

  test('sends the content of a seccomp profile and keeps system paths to itself', () => {
    const options = [
      '--security-opt',
      `seccomp=${join(folder, 'profile.json')}`,
      '--security-opt',
      'systempaths=unconfined',
    ]
    expect(body(...options, '--security-opt', 'no-new-privileges').HostConfig).toMatchObject({
      SecurityOpt: ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}', 'no-new-privileges'],
      MaskedPaths: [],
      ReadonlyPaths: [],
    })
  })

  test.each([
    [['--rm', '--restart', 'always'], 'conflicting options: cannot specify both --restart and --rm'],
    [['--network', 'a', '--network', 'a'], 'network "a" is specified multiple times'],
    [
      ['--network', 'a', '--network', 'host'],
      'conflicting options: cannot attach both user-defined and non-user-defined network-modes',
    ],
    [
      ['--network', 'name=a,alias=x', '--network-alias', 'y'],
      'conflicting options: cannot specify both --network-alias and per-network alias',
    ],
    [['--network-alias', 'y'], 'network-scoped aliases are only supported for user-defined networks'],
    [['--mac-address', 'xx'], 'xx is not a valid mac address'],
    [['--security-opt', 'seccomp'], 'invalid --security-opt: "seccomp"'],
    [['--restart', ':3'], 'invalid restart policy format: no policy provided before colon'],
    [['-p', '1:2:3:4'], 'invalid IP address: 1:2'],
  ])('refuses %j', (args, message) => {
    expect(() => body(...args)).toThrow(message)
  })
})
