import { describe, expect, test } from 'vitest'
import { toContainerInspect } from '../../../../src/api/wire/container-inspect.ts'
import { planContainer } from '../../../../src/engine/plan.ts'
import type { ContainerRecord, ContainerSpec, ImageRecord } from '../../../../src/store/records.ts'
import type { ContainerId } from '../../../../src/values/id.ts'
import { bridge, demoImage } from '../memory-engine.ts'
import { mount, noMounts, plainSpec } from './spec.ts'

const id = 'c'.repeat(64) as ContainerId
const places = {
  waiting: null,
  exposed: ['90/tcp'],
  image: demoImage as ImageRecord | null,
  dataRoot: '/root',
  execRoot: '/exec',
  apiVersion: 50,
}

function plan(fields: Partial<ContainerSpec> = {}): ContainerRecord {
  return planContainer(
    id,
    'web',
    { ...plainSpec, ...fields },
    { image: demoImage, network: () => bridge, checkEndpoint: () => {}, ...noMounts },
  )
}

function run(record: ContainerRecord): ContainerRecord {
  return {
    ...record,
    state: { ...record.state, status: 'running', pid: 42, startedAt: '2026-01-01T00:00:00.000Z' },
    endpoints: record.endpoints.map((endpoint) => ({
      ...endpoint,
      mac: '02:00:00:00:00:02',
      address4: '172.17.0.2/16',
      gateway4: '172.17.0.1',
    })),
    published: [
      {
        protocol: 'tcp',
        hostAddress: '0.0.0.0',
        hostInterface: '',
        sources: [],
        hostPolicy: '',
        hostPort: 8080,
        containerPort: 80,
        count: 1,
        via: 'dnat',
      },
    ],
  }
}

describe('inspect', () => {
  test('has every field that Docker 28 has', () => {
    const answer = toContainerInspect(run(plan()), places)
    expect(Object.keys(answer).sort()).toEqual(
      [
        ...['AppArmorProfile', 'Args', 'Config', 'Created', 'Driver', 'ExecIDs', 'GraphDriver', 'HostConfig'],
        ...['HostnamePath', 'HostsPath', 'Id', 'Image', 'LogPath', 'MountLabel', 'Mounts', 'Name'],
        ...['NetworkSettings', 'Path', 'Platform', 'ProcessLabel', 'ResolvConfPath', 'RestartCount', 'State'],
      ].sort(),
    )
    expect(Object.keys(answer.State).sort()).toEqual(
      [
        ...['Dead', 'Error', 'ExitCode', 'FinishedAt', 'OOMKilled', 'Paused', 'Pid', 'Restarting'],
        ...['Running', 'StartedAt', 'Status'],
      ].sort(),
    )
    expect(Object.keys(answer.NetworkSettings).sort()).toEqual(
      [
        ...['Bridge', 'EndpointID', 'Gateway', 'GlobalIPv6Address', 'GlobalIPv6PrefixLen', 'HairpinMode'],
        ...['IPAddress', 'IPPrefixLen', 'IPv6Gateway', 'LinkLocalIPv6Address', 'LinkLocalIPv6PrefixLen'],
        ...['MacAddress', 'Networks', 'Ports', 'SandboxID', 'SandboxKey', 'SecondaryIPAddresses'],
        ...['SecondaryIPv6Addresses'],
      ].sort(),
    )
  })

  test('of a running container tells its process, paths and addresses', () => {
    expect(toContainerInspect(run(plan()), places)).toMatchObject({
      Id: id,
      Name: '/web',
      Path: '/entry',
      Args: ['serve'],
      State: { Status: 'running', Running: true, Pid: 42, FinishedAt: '0001-01-01T00:00:00Z' },
      ResolvConfPath: `/root/containers/${id}/resolv.conf`,
      HostnamePath: `/root/containers/${id}/hostname`,
      HostsPath: `/root/containers/${id}/hosts`,
      LogPath: `/root/containers/${id}/${id}-json.log`,
      GraphDriver: {
        Name: 'overlay2',
        Data: {
          LowerDir: '/root/layers/top:/root/layers/bottom',
          MergedDir: `/root/containers/${id}/merged`,
          UpperDir: `/root/containers/${id}/upper`,
          WorkDir: `/root/containers/${id}/work`,
        },
      },
      NetworkSettings: {
        SandboxID: id,
        SandboxKey: `/exec/netns/${id}`,
        Ports: { '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }], '90/tcp': null },
        IPAddress: '172.17.0.2',
        IPPrefixLen: 16,
        Gateway: '172.17.0.1',
        MacAddress: '02:00:00:00:00:02',
        Networks: { bridge: { IPAddress: '172.17.0.2', NetworkID: bridge.id } },
      },
    })
  })

  test('before the first start names no files that are not there yet', () => {
    const answer = toContainerInspect(plan(), places)
    expect(answer).toMatchObject({ LogPath: '', HostsPath: '', HostnamePath: '', ResolvConfPath: '' })
    expect(answer.NetworkSettings).toMatchObject({ SandboxID: '', SandboxKey: '', Ports: {}, IPAddress: '' })
  })

  test('in host mode has no sandbox', () => {
    const answer = toContainerInspect(run(plan({ networkMode: 'host' })), places)
    expect(answer.NetworkSettings).toMatchObject({ SandboxID: '', SandboxKey: '' })
  })

  test('tells old clients the short id among the aliases', () => {
    const aliases = (networkName: string, apiVersion: number) => {
      const record = run(plan())
      const endpoints = record.endpoints.map((endpoint) => ({ ...endpoint, networkName }))
      const answer = toContainerInspect({ ...record, endpoints }, { ...places, apiVersion })
      return answer.NetworkSettings.Networks[networkName]?.Aliases
    }
    expect(aliases('net', 44)).toEqual(['c'.repeat(12)])
    expect(aliases('net', 45)).toBeNull()
    expect(aliases('bridge', 44)).toBeNull()
  })
})

describe('the config', () => {
  const config = (fields: Partial<ContainerSpec>, image: ImageRecord | null = demoImage) =>
    toContainerInspect(plan(fields), { ...places, image }).Config

  test('has what comes from the image filled in', () => {
    expect(config({ env: ['MINE=1'] })).toMatchObject({
      Hostname: 'c'.repeat(12),
      Env: ['FROM_IMAGE=1', 'MINE=1'],
      Entrypoint: ['/entry'],
      Cmd: ['serve'],
      WorkingDir: '/srv',
      ExposedPorts: { '80/tcp': {} },
      Volumes: { '/data': {} },
      Labels: { maker: 'demo' },
      StopSignal: 'SIGTERM',
      Image: 'demo',
    })
  })

  test.each([
    [{ command: ['other', 'x'] }, { Entrypoint: ['/entry'], Cmd: ['other', 'x'] }],
    [{ entrypoint: ['/mine'] }, { Entrypoint: ['/mine'], Cmd: null }],
    [
      { entrypoint: ['/mine'], command: ['x'] },
      { Entrypoint: ['/mine'], Cmd: ['x'] },
    ],
    [
      { entrypoint: [], command: ['x'] },
      { Entrypoint: null, Cmd: ['x'] },
    ],
    [
      { entrypoint: [''], command: ['x'] },
      { Entrypoint: [''], Cmd: ['x'] },
    ],
  ])('splits the command line of %j', (fields, expected) => {
    expect(config(fields)).toMatchObject(expected)
  })

  test.each([
    [{}, { Entrypoint: null, Cmd: ['/entry', 'serve'] }],
    [{ command: ['x'] }, { Entrypoint: ['/entry'], Cmd: ['x'] }],
  ])('splits the command line of %j as well as it can without the image', (fields, expected) => {
    expect(config(fields, null)).toMatchObject(expected)
  })

  test('tells anonymous volumes by their paths', () => {
    const volumes = config({ mounts: [mount({ target: '/anon', syntax: 'anonymous' })] }).Volumes
    expect(volumes).toEqual({ '/data': {}, '/anon': {} })
  })

  test('tells a timeout only where one was given', () => {
    expect(config({})).not.toHaveProperty('StopTimeout')
    expect(config({ stopTimeout: 0 }).StopTimeout).toBe(0)
  })
})
