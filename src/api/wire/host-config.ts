/** A container's HostConfig as inspect shows it; posted back to create it makes the same container. */
import type { ContainerSpec } from '../../store/records.ts'
import type { HostConfigAnswer } from '../schema/container.ts'
import { fromEgress } from './egress.ts'
import { fromMountRequests } from './mounts.ts'
import { fromPortBindings } from './ports.ts'
import { fromResources } from './resources.ts'
import { fromCapabilities, fromSecurityOptions } from './security.ts'

/** What is the same for every container, in Docker's words. */
const fixed = {
  ContainerIDFile: '',
  LogConfig: { Type: 'json-file', Config: {} },
  RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
  CgroupnsMode: 'private',
  IpcMode: 'private',
  Cgroup: '',
  PidMode: '',
  Privileged: false,
  UTSMode: '',
  UsernsMode: '',
  Runtime: 'tsnet',
  Isolation: '',
  CgroupParent: '',
  BlkioWeight: 0,
  Devices: [],
  DeviceCgroupRules: null,
  DeviceRequests: null,
  MemorySwappiness: null,
  OomKillDisable: false,
  MaskedPaths: null,
  ReadonlyPaths: null,
} as const

/** `name` is the container's own. */
export function toHostConfig(spec: ContainerSpec, name: string): HostConfigAnswer {
  return {
    ...fixed,
    ConsoleSize: spec.consoleSize,
    ...fromMountRequests(spec.mounts),
    VolumeDriver: spec.volumeDriver,
    VolumesFrom: orNull(spec.volumesFrom),
    ...fromResources(spec.resources),
    Links: fromLinks(spec, name),
    NetworkMode: spec.networkMode,
    PortBindings: fromPortBindings(spec.ports),
    ...(spec.egress !== null && { Egress: fromEgress(spec.egress) }),
    AutoRemove: spec.autoRemove,
    CapAdd: fromCapabilities(spec.capAdd),
    CapDrop: fromCapabilities(spec.capDrop),
    Dns: spec.dnsServers,
    DnsOptions: spec.dnsOptions,
    DnsSearch: spec.dnsSearch,
    ExtraHosts: orNull(spec.extraHosts),
    GroupAdd: orNull(spec.groupAdd),
    OomScoreAdj: spec.oomScoreAdj,
    PublishAllPorts: spec.publishAll,
    ReadonlyRootfs: spec.readOnlyRootfs,
    SecurityOpt: fromSecurityOptions(spec),
    ShmSize: spec.shmSize,
    ...(Object.keys(spec.sysctls).length > 0 && { Sysctls: spec.sysctls }),
    Ulimits: spec.ulimits.map(({ name, hard, soft }) => ({ Name: name, Hard: hard, Soft: soft })),
  }
}

/** Those of the default network; other networks' stand with their endpoints. */
function fromLinks(spec: ContainerSpec, name: string): readonly string[] | null {
  const links = spec.endpoints['bridge']?.links ?? []
  return orNull(
    links.map((link) => {
      const [target = '', alias = target] = link.split(':')
      return `/${target}:/${name}/${alias}`
    }),
  )
}

function orNull(list: readonly string[]): readonly string[] | null {
  return list.length > 0 ? list : null
}
