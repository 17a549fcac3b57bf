/** The body of POST /containers/create. */
import Type, { type Static } from 'typebox'
import { EndpointSettings } from './endpoint.ts'
import {
  ConsoleSize,
  flag,
  integer,
  list,
  maxItems,
  optional,
  text,
  textMap,
  textSet,
  texts,
  unknown,
  words,
} from './fields.ts'
import { Mount } from './mount.ts'

/**
 * `From`, the clients that may use the port, `HostInterface`, where they must come in, and `HostPolicy` ('respect': the host's
 * rules decide) are tsnet's own.
 */
const PortBinding = Type.Object({
  HostIp: text,
  HostPort: text,
  HostInterface: text,
  From: texts,
  HostPolicy: text,
})

/** Any number of bindings a port: the size of the body bounds them. */
export const PortMap = Type.Record(Type.String(), Type.Union([Type.Array(PortBinding), Type.Null()]))
export type PortMap = Static<typeof PortMap>

export const HostConfig = Type.Object({
  Binds: texts,
  LogConfig: optional(Type.Object({ Type: text, Config: textMap })),
  NetworkMode: text,
  PortBindings: optional(PortMap),
  /** tsnet's own */
  Egress: texts,
  RestartPolicy: optional(Type.Object({ Name: text, MaximumRetryCount: integer })),
  AutoRemove: flag,
  VolumeDriver: text,
  VolumesFrom: texts,
  Annotations: textMap,
  ConsoleSize,
  CapAdd: texts,
  CapDrop: texts,
  CgroupnsMode: text,
  Dns: texts,
  DnsOptions: texts,
  DnsSearch: texts,
  ExtraHosts: texts,
  GroupAdd: texts,
  IpcMode: text,
  Cgroup: text,
  Links: texts,
  OomScoreAdj: integer,
  PidMode: text,
  Privileged: flag,
  PublishAllPorts: flag,
  ReadonlyRootfs: flag,
  SecurityOpt: texts,
  StorageOpt: textMap,
  Tmpfs: textMap,
  UTSMode: text,
  UsernsMode: text,
  ShmSize: integer,
  Sysctls: textMap,
  Runtime: text,
  Isolation: text,
  CpuShares: integer,
  Memory: integer,
  NanoCpus: integer,
  CgroupParent: text,
  BlkioWeight: integer,
  BlkioWeightDevice: unknown,
  BlkioDeviceReadBps: unknown,
  BlkioDeviceWriteBps: unknown,
  BlkioDeviceReadIOps: unknown,
  BlkioDeviceWriteIOps: unknown,
  CpuPeriod: integer,
  CpuQuota: integer,
  CpuRealtimePeriod: integer,
  CpuRealtimeRuntime: integer,
  CpusetCpus: text,
  CpusetMems: text,
  Devices: unknown,
  DeviceCgroupRules: texts,
  DeviceRequests: unknown,
  KernelMemory: integer,
  MemoryReservation: integer,
  MemorySwap: integer,
  MemorySwappiness: integer,
  OomKillDisable: flag,
  PidsLimit: integer,
  Ulimits: list(Type.Object({ Name: text, Soft: integer, Hard: integer })),
  Mounts: list(Mount),
  MaskedPaths: texts,
  ReadonlyPaths: texts,
  Init: flag,
})
export type HostConfig = Static<typeof HostConfig>

export const ContainerCreate = Type.Object({
  Hostname: text,
  Domainname: text,
  User: text,
  AttachStdin: flag,
  AttachStdout: flag,
  AttachStderr: flag,
  ExposedPorts: textSet,
  Tty: flag,
  OpenStdin: flag,
  StdinOnce: flag,
  Env: texts,
  Cmd: words,
  Healthcheck: optional(Type.Object({ Test: texts })),
  Image: text,
  Volumes: textSet,
  WorkingDir: text,
  Entrypoint: words,
  NetworkDisabled: flag,
  MacAddress: text,
  Labels: textMap,
  StopSignal: text,
  StopTimeout: integer,
  HostConfig: optional(HostConfig),
  NetworkingConfig: optional(
    Type.Object({
      EndpointsConfig: optional(Type.Record(Type.String(), Type.Union([EndpointSettings, Type.Null()]))),
    }),
  ),
})
export type ContainerCreate = Static<typeof ContainerCreate>

/** Body of POST /containers/{id}/update; of its many fields one can be changed. */
export const ContainerUpdate = Type.Object({ PortBindings: optional(PortMap) })
export type ContainerUpdate = Static<typeof ContainerUpdate>

/** Body of POST /tsnet/v1/containers/{id}/egress; null is everything. */
export const EgressUpdate = Type.Object({
  Egress: Type.Union([Type.Array(Type.String(), { maxItems }), Type.Null()]),
})
export type EgressUpdate = Static<typeof EgressUpdate>

/** Body of POST /tsnet/v1/containers/{id}/rate. */
export const RateUpdate = Type.Object({ Out: text, In: text })
export type RateUpdate = Static<typeof RateUpdate>

export interface ContainerUpdated {
  Warnings: readonly string[]
}

export interface ContainerCreated {
  Id: string
  Warnings: readonly string[]
}
