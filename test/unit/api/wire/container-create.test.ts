import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ContainerCreate } from '../../../../src/api/schema/container-create.ts'
import { toContainerSpec } from '../../../../src/api/wire/container-create.ts'
import { toHostConfig } from '../../../../src/api/wire/host-config.ts'
import { noRequest } from '../../../../src/engine/plan.ts'
import { plainSpec } from './spec.ts'

const context = { apiVersion: 50, cpus: 4 }
const specOf = (body: ContainerCreate, apiVersion = 50) =>
  toContainerSpec(body, { ...context, apiVersion }).spec

/** What `docker run demo` of version 28 sends, to the letter. */
const cliBody: ContainerCreate = JSON.parse(
  '{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":true,"AttachStderr":true,"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":null,"Image":"demo","Volumes":{},"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{},"HostConfig":{"Binds":null,"ContainerIDFile":"","LogConfig":{"Type":"","Config":{}},"NetworkMode":"default","PortBindings":{},"RestartPolicy":{"Name":"no","MaximumRetryCount":0},"AutoRemove":false,"VolumeDriver":"","VolumesFrom":null,"ConsoleSize":[0,0],"CapAdd":null,"CapDrop":null,"CgroupnsMode":"","Dns":[],"DnsOptions":[],"DnsSearch":[],"ExtraHosts":null,"GroupAdd":null,"IpcMode":"","Cgroup":"","Links":null,"OomScoreAdj":0,"PidMode":"","Privileged":false,"PublishAllPorts":false,"ReadonlyRootfs":false,"SecurityOpt":null,"UTSMode":"","UsernsMode":"","ShmSize":0,"Isolation":"","CpuShares":0,"Memory":0,"NanoCpus":0,"CgroupParent":"","BlkioWeight":0,"BlkioWeightDevice":[],"BlkioDeviceReadBps":[],"BlkioDeviceWriteBps":[],"BlkioDeviceReadIOps":[],"BlkioDeviceWriteIOps":[],"CpuPeriod":0,"CpuQuota":0,"CpuRealtimePeriod":0,"CpuRealtimeRuntime":0,"CpusetCpus":"","CpusetMems":"","Devices":[],"DeviceCgroupRules":null,"DeviceRequests":null,"MemoryReservation":0,"MemorySwap":0,"MemorySwappiness":-1,"OomKillDisable":false,"PidsLimit":0,"Ulimits":[],"CpuCount":0,"CpuPercent":0,"IOMaximumIOps":0,"IOMaximumBandwidth":0,"MaskedPaths":null,"ReadonlyPaths":null},"NetworkingConfig":{"EndpointsConfig":{"default":{"IPAMConfig":null,"Links":null,"Aliases":null,"MacAddress":"","DriverOpts":null,"GwPriority":0,"NetworkID":"","EndpointID":"","Gateway":"","IPAddress":"","IPPrefixLen":0,"IPv6Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"DNSNames":null}}}}',
)

describe('a body', () => {
  test('with an image alone asks for a plain container', () => {
    expect(specOf({ Image: 'demo' })).toEqual(plainSpec)
  })

  test('of the docker command asks for no more', () => {
    expect(specOf(cliBody)).toEqual({
      ...plainSpec,
      attachStdout: true,
      attachStderr: true,
      endpoints: { bridge: noRequest },
    })
  })

  test('with every option is understood', () => {
    const { spec, warnings } = toContainerSpec(
      {
        Image: 'demo',
        Hostname: 'host-1',
        Domainname: 'example.org',
        User: '1000:1000',
        AttachStdin: true,
        Tty: true,
        OpenStdin: true,
        StdinOnce: true,
        ExposedPorts: { '80/tcp': {} },
        Env: ['A=1', 'B'],
        Cmd: 'serve',
        Entrypoint: ['/bin/sh', '-c'],
        WorkingDir: '/srv',
        Labels: { a: '1' },
        StopSignal: 'INT',
        StopTimeout: 3,
        HostConfig: {
          AutoRemove: true,
          NetworkMode: 'net',
          PortBindings: { '80/tcp': [{ HostPort: '8080' }] },
          PublishAllPorts: true,
          CapAdd: ['NET_ADMIN'],
          CapDrop: ['all'],
          ReadonlyRootfs: true,
          SecurityOpt: ['no-new-privileges'],
          Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }],
          Sysctls: { 'net.core.somaxconn': '5' },
          ShmSize: 1024,
          Dns: ['1.1.1.1', '::1'],
          DnsSearch: ['example.org'],
          DnsOptions: ['ndots:1'],
          ExtraHosts: ['a:1.2.3.4', 'b:[::1]', 'c:::2', 'd:host-gateway'],
          GroupAdd: ['audio'],
          OomScoreAdj: 500,
        },
        NetworkingConfig: { EndpointsConfig: { net: { Aliases: ['x'] }, other: null } },
      },
      context,
    )
    expect(warnings).toEqual([])
    expect(spec).toEqual({
      ...plainSpec,
      hostname: 'host-1',
      domainname: 'example.org',
      user: '1000:1000',
      attachStdin: true,
      tty: true,
      openStdin: true,
      stdinOnce: true,
      exposedPorts: ['80/tcp'],
      env: ['A=1', 'B'],
      command: ['serve'],
      entrypoint: ['/bin/sh', '-c'],
      workingDir: '/srv',
      labels: { a: '1' },
      stopSignal: 'INT',
      stopTimeout: 3,
      autoRemove: true,
      networkMode: 'net',
      endpoints: { net: { ...noRequest, aliases: ['x'] }, other: noRequest },
      ports: [
        {
          protocol: 'tcp',
          containerPort: 80,
          hostAddress: '',
          hostInterface: '',
          sources: [],
          hostPolicy: '',
          hostPort: 8080,
          hostPortEnd: 8080,
          count: 1,
        },
      ],
      publishAll: true,
      capAdd: ['NET_ADMIN'],
      capDrop: ['ALL'],
      readOnlyRootfs: true,
      noNewPrivileges: true,
      ulimits: [{ name: 'nofile', soft: 1, hard: 2 }],
      sysctls: { 'net.core.somaxconn': '5' },
      shmSize: 1024,
      dnsServers: ['1.1.1.1', '::1'],
      dnsSearch: ['example.org'],
      dnsOptions: ['ndots:1'],
      extraHosts: ['a:1.2.3.4', 'b:::1', 'c:::2', 'd:host-gateway'],
      groupAdd: ['audio'],
      oomScoreAdj: 500,
    })
  })

  test.each([
    [{}, 'config cannot be empty in order to create a container'],
    [{ Image: '' }, 'no image specified: name one in Image'],
    [{ Env: ['=x'] }, 'invalid environment variable: =x'],
    [{ Env: [''] }, 'invalid environment variable: '],
    [{ WorkingDir: 'x' }, "the working directory 'x' is invalid, it needs to be an absolute path"],
    [{ Hostname: '-a b' }, 'invalid hostname format: -a b'],
    [{ Hostname: 'x'.repeat(65) }, 'invalid hostname format: '],
    [{ HostConfig: { ShmSize: -5 } }, 'SHM size can not be less than 0'],
    [{ HostConfig: { OomScoreAdj: 5000 } }, 'Invalid value 5000, range for oom score adj is [-1000, 1000]'],
    [{ HostConfig: { Ulimits: [{ Name: 'foo' }] } }, 'invalid ulimit type: foo'],
    [
      { HostConfig: { Ulimits: [{ Name: 'core', Soft: 2, Hard: 1 }] } },
      'ulimit soft limit must be less than or equal to hard limit: 2 > 1',
    ],
    [{ HostConfig: { ExtraHosts: ['x'] } }, 'bad format for add-host: "x"'],
    [{ HostConfig: { ExtraHosts: ['x:y'] } }, 'invalid IP address in add-host: "y"'],
    [{ HostConfig: { Dns: ['y'] } }, 'invalid IP address: y'],
    [{ ExposedPorts: { '70000/tcp': {} } }, 'invalid port specification: "70000"'],
    [{ HostConfig: { Memory: 1000 } }, 'Minimum memory limit allowed is 6MB'],
    [
      { HostConfig: { Sysctls: { 'net.a': '1' }, NetworkMode: 'host' } },
      'not allowed in host network namespace',
    ],
  ])('%j is refused', (fields, message) => {
    const body = Object.keys(fields).length === 0 ? {} : { Image: 'demo', ...fields }
    expect(() => specOf(body)).toThrow(
      expect.objectContaining({ kind: 'invalid', message: expect.stringContaining(message) }),
    )
  })
})

describe('the network', () => {
  test.each(['', 'default', 'bridge'])('of mode "%s" is the default one', (NetworkMode) => {
    expect(specOf({ Image: 'demo', HostConfig: { NetworkMode } }).networkMode).toBe('bridge')
  })

  test('of another container has no endpoints, and takes settings only if they ask for nothing', () => {
    const HostConfig = { NetworkMode: 'container:x' }
    const spec = specOf({
      Image: 'demo',
      HostConfig,
      NetworkingConfig: { EndpointsConfig: { 'container:x': {} } },
    })
    expect([spec.networkMode, spec.endpoints]).toEqual(['container:x', {}])
    for (const [name, settings] of [
      ['container:x', { Aliases: ['y'] }],
      ['mynet', {}],
    ] satisfies [string, object][]) {
      const NetworkingConfig = { EndpointsConfig: { [name]: settings } }
      expect(() => specOf({ Image: 'demo', HostConfig, NetworkingConfig })).toThrow('conflicting options: ')
    }
  })

  test.each(['container', 'container:'])('of nobody is refused: %s', (NetworkMode) => {
    expect(() => specOf({ Image: 'demo', HostConfig: { NetworkMode } })).toThrow(
      'invalid network mode: invalid container format container:<name|id>',
    )
  })

  test('called default is the default one only when that is meant', () => {
    const NetworkingConfig = { EndpointsConfig: { default: { Aliases: ['x'] } } }
    expect(Object.keys(specOf({ Image: 'demo', NetworkingConfig }).endpoints)).toEqual(['bridge'])
  })
})

describe('the MAC address of a container', () => {
  const MacAddress = '02:00:00:00:00:09'
  const HostConfig = { NetworkMode: 'net' }

  test('is that of its first endpoint, with a warning since 1.44', () => {
    const body = { Image: 'demo', MacAddress, HostConfig }
    expect(toContainerSpec(body, { ...context, apiVersion: 43 })).toMatchObject({
      spec: { endpoints: { net: { mac: MacAddress } } },
      warnings: [],
    })
    expect(toContainerSpec(body, context).warnings).toEqual([
      'The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.',
    ])
  })

  test('must not contradict the endpoint', () => {
    const NetworkingConfig = { EndpointsConfig: { net: { MacAddress: '02:00:00:00:00:08' } } }
    expect(() => specOf({ Image: 'demo', MacAddress, HostConfig, NetworkingConfig })).toThrow(
      'the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty',
    )
  })

  test.each(['host', 'none'])('does not go with the network mode %s', (NetworkMode) => {
    const refusal = 'conflicting options: mac-address and the network mode'
    expect(() => specOf({ Image: 'demo', MacAddress, HostConfig: { NetworkMode } })).toThrow(refusal)
    const NetworkingConfig = { EndpointsConfig: { [NetworkMode]: { MacAddress } } }
    expect(() => specOf({ Image: 'demo', HostConfig: { NetworkMode }, NetworkingConfig })).toThrow(refusal)
  })
})

test('the HostConfig that inspect shows makes the same container again', () => {
  const text = fc.stringMatching(/^[a-z]{1,8}$/)
  const names = fc.uniqueArray(text, { maxLength: 3 })
  const host = fc.record({
    AutoRemove: fc.boolean(),
    NetworkMode: fc.constantFrom('bridge', 'host', 'none', 'net'),
    PublishAllPorts: fc.boolean(),
    ReadonlyRootfs: fc.boolean(),
    CapAdd: names,
    CapDrop: names,
    SecurityOpt: fc.subarray(['no-new-privileges', 'seccomp=unconfined']),
    Binds: names.map((list) => list.map((name) => `/${name}:/bind/${name}:ro`)),
    Tmpfs: names.map((list) => Object.fromEntries(list.map((name) => [`/tmpfs/${name}`, 'size=1m']))),
    Mounts: names.map((list) =>
      list.map((name) => ({ Type: 'volume', Source: name, Target: `/volume/${name}` })),
    ),
    PortBindings: fc
      .uniqueArray(fc.integer({ min: 1, max: 99 }), { maxLength: 9 })
      .map((ports) =>
        Object.fromEntries(
          ports.map((port) => [`${port}/tcp`, [{ HostIp: '', HostPort: `${port + 8000}` }]]),
        ),
      ),
    Memory: fc.constantFrom(0, 8 << 20),
    NanoCpus: fc.constantFrom(0, 5e8),
    PidsLimit: fc.constantFrom(0, 10),
    ShmSize: fc.constantFrom(0, 4096),
    GroupAdd: names,
    DnsSearch: names,
    Ulimits: fc.constantFrom([], [{ Name: 'nofile', Soft: 5, Hard: 10 }]),
    OomScoreAdj: fc.integer({ min: -1000, max: 1000 }),
  })
  fc.assert(
    fc.property(host, (HostConfig) => {
      const spec = specOf({ Image: 'demo', HostConfig: HostConfig as never })
      expect(specOf({ Image: 'demo', HostConfig: toHostConfig(spec, 'me') as never })).toEqual(spec)
    }),
  )
})
